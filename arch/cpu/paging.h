/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's own address space: one set of tables for all CPUs, made by the loader, kept up here.
 * Nothing is mapped before the page allocator has its memory. */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum paging_rights {
    PAGING_WRITE = 1,
    PAGING_EXECUTE = 2,
    PAGING_UNCACHED = 4,
};

/* Where a virtual address goes. */
struct paging_leaf {
    uint64_t hpa;    /* of that very address */
    uint64_t bytes;  /* size of the leaf */
    unsigned rights; /* enum paging_rights, those of the upper tables taken in */
};

/* Maps device registers for good: uncached, read-write, never executable. The same registers mapped again
 * give the same address. NULL (logged) when out of memory, and for bytes == 0 or addresses beyond what the
 * CPU has. Any CPU, not in interrupt handlers. */
volatile void *paging_map_mmio(uint64_t hpa, size_t bytes) MUST_CHECK;

/* Maps what firmware left in memory (ACPI tables): cached, read-only, never executable. Otherwise as
 * paging_map_mmio(). */
const void *paging_map_firmware(uint64_t hpa, size_t bytes) MUST_CHECK;

/* Maps memory that firmware keeps for itself and devices: cached, read-write. Otherwise as paging_map_mmio().
 */
void *paging_map_reserved(uint64_t hpa, size_t bytes) MUST_CHECK;

/* Maps whole pages at addresses that nobody else uses, with 2 MiB leaves where both are aligned. False
 * (logged) when out of memory. Any CPU, not in interrupt handlers. For mmio.c and stack.c. */
bool paging_map(uintptr_t address, uint64_t hpa, uint64_t bytes, unsigned rights) MUST_CHECK;

/* Takes away one page that no other CPU has used. False if it is not mapped by itself. For stack.c, and
 * tests. */
bool paging_unmap_page(uintptr_t address) MUST_CHECK;

/* Looks an address up in the live tables. Any context. False if it is not mapped. */
bool paging_lookup(uintptr_t address, struct paging_leaf *leaf);

/* Takes away all of the lower half, where only the page for starting CPUs was. smp.c calls it when no CPU
 * needs that any more; the other CPUs then call paging_flush_all(). */
void paging_drop_lower_half(void);

/* Drops all of this CPU's cached translations, global ones too. */
void paging_flush_all(void);

/* The root that CR3 has, for CPUs that start. Below 4 GiB. */
uint32_t paging_root(void);

struct paging_audit {
    uint64_t leaves;
    uint64_t executable_bytes;
    uint64_t violations;   /* leaves that are both writable and executable */
    uintptr_t first;       /* the first of them, if any */
    uint64_t lower_leaves; /* leaves in the lower half, where nothing should be */
    uint64_t user_leaves;  /* leaves that user mode could reach */
};

/* Walks all of the live tables: W^X, and what else must not be there. Any CPU, not in interrupt handlers. */
void paging_audit(struct paging_audit *audit);
