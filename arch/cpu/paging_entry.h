/* SPDX-License-Identifier: BSD-2-Clause */
/* The bits of the hypervisor's own page-table entries (SDM volume 3, 4.5.4), and the way down from the root.
 */
#pragma once

#include "arch/cpu/cpu.h"
#include "lib/atomic.h"
#include "lib/platform.h"
#include <stdbool.h>
#include <stdint.h>

#define ENTRY_PRESENT  (1ull << 0)
#define ENTRY_WRITE    (1ull << 1)
#define ENTRY_USER     (1ull << 2)
#define ENTRY_PWT      (1ull << 3)
#define ENTRY_PCD      (1ull << 4)
#define ENTRY_ACCESSED (1ull << 5)
#define ENTRY_DIRTY    (1ull << 6)
#define ENTRY_LARGE    (1ull << 7)
#define ENTRY_NX       (1ull << 63)
#define ENTRY_ADDRESS  0x000ffffffffff000ull

#define ENTRIES 512

/* Level 0 has the entries of 4 KiB pages; a leaf is a large one at levels 1 and 2. */
static inline bool entry_is_leaf(uint64_t entry, unsigned level)
{
    return level == 0 || (level <= 2 && (entry & ENTRY_LARGE));
}

static inline unsigned entry_shift(unsigned level)
{
    return 12 + 9 * level;
}

static inline unsigned entry_index(uintptr_t address, unsigned level)
{
    return (unsigned)(address >> entry_shift(level)) % ENTRIES;
}

static inline uint64_t *entry_table(uint64_t entry)
{
    return phys_to_virt(entry & ENTRY_ADDRESS);
}

static inline unsigned paging_top_level(void)
{
    return cpu_features.la57 ? 4 : 3;
}

static inline uint64_t *paging_live_root(void)
{
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3)::"memory");
    return entry_table(cr3);
}
