/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of the arena's pages, inside the model's memory. */
#pragma once

#include "lib/page_alloc.h"
#include <stdbool.h>
#include <stdint.h>

/* The arena's virtual address is the same in each process, so that a run is, too. */
#define DIRECT_MAP 0x200000000000ull

/* What is known of a page, besides what the allocator knows of it. */
struct page_info {
    uint8_t use;  /* enum page_use; PAGE_UNUSED_FRAME for the allocator's struct pages */
    bool changed; /* since memory_save() */
    uint32_t generation;
    uint64_t step;  /* when it was allocated or freed, */
    const char *by; /* and by whom; NULL if it never was */
};

/* NULL for what the arena has not. */
const struct page_info *page_info(uint64_t hpa);
