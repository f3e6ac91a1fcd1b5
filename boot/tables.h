/* SPDX-License-Identifier: BSD-2-Clause */
/* The page tables that Lull starts with (Intel SDM volume 3, 4.5). Knows nothing of UEFI. */
#pragma once

#include "boot/boot_info.h"
#include "lib/compiler.h"
#include <stdbool.h>
#include <stddef.h>

#define TABLES_WRITE      (1ull << 1)
#define TABLES_UNCACHED   (3ull << 3) /* PWT and PCD */
#define TABLES_NO_EXECUTE (1ull << 63)

/* Tables come from one run of pages, mapped 1:1 where this runs. */
struct tables {
    uint64_t pool;
    uint64_t pages;
    uint64_t used;
    bool levels5;   /* CR4.LA57 is on */
    bool gib_pages; /* the CPU has leaves of 1 GiB */
};

/* A new, empty table in *hpa. False when the pool is used up. */
bool tables_new(struct tables *tables, uint64_t *hpa) MUST_CHECK;

/* Maps [va, va + bytes) to hpa on, with the largest leaves that fit; all three are multiples of 4 KiB and
 * nothing is mapped there. rights are of those above, or 0: to read and execute. False when the pool is used
 * up. */
bool tables_map(struct tables *tables, uint64_t root, uint64_t va, uint64_t hpa, uint64_t bytes,
                uint64_t rights) MUST_CHECK;

/* Makes the entry of a four-level tree's top for va, with an empty table behind it, so that a copy of the top
 * sees what is mapped there later. False when the pool is used up. */
bool tables_reserve(struct tables *tables, uint64_t root, uint64_t va) MUST_CHECK;

/* Copies the upper half of one root into another. */
void tables_share_upper_half(uint64_t root, uint64_t from);
