/* SPDX-License-Identifier: BSD-2-Clause */
/* The page allocator: a buddy system over all memory it was given, with one struct page for each page of it.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/rcu.h"
#include <stdbool.h>
#include <stdint.h>

/* The largest block: 2^PAGE_ORDER_MAX pages (1 GiB, one leaf of level 2). */
#define PAGE_ORDER_MAX 18

/* In debug builds a freed page of Lull's own is full of this: as a page-table entry it is present and points
 * nowhere. */
#define PAGE_POISON 0xdbdbdbdbdbdbdbdbull

enum page_use {
    PAGE_UNUSED_FRAME, /* not memory, or never given to the allocator */
    PAGE_FREE,
    PAGE_HYPERVISOR, /* Lull's own: no device and no guest may ever reach it */
    PAGE_DMA,        /* may be mapped into a domain */
};

/* What is known of one page of memory. */
struct page {
    struct list link; /* free list while free; its owner's list while allocated */
    uint64_t hpa;     /* its physical address */
    union {
        struct rcu_head rcu; /* waits for a grace period, and then a list of pages is freed from here */
        struct {
            uint64_t iova; /* the first IOVA that a detached table translated */
            uint64_t level;
        } table;
    };
    uint32_t entries_used; /* a page table: how many of its entries are (lib/pt/table.h) */
    uint8_t order;         /* first page of a block, free or allocated: its order */
    uint8_t use;           /* enum page_use, the same in each page of a block */
};

struct page_alloc_stats {
    uint64_t total_pages;
    uint64_t free_pages;
    uint64_t dma_pages;
};

/* Gives the memory [hpa, end) to the allocator. Parts of a page at either end are left out. The struct pages
 * come from what is free already, else from the range itself: give the largest range first. One CPU, before
 * others allocate. ERR_RANGE when it overlaps what was given before or lies beyond 2^48, ERR_NOMEM when there
 * is no room for its struct pages; the range is then left out, and the log says why. */
int page_alloc_add(uint64_t hpa, uint64_t end) MUST_CHECK;

/* Hold no lock that others spin for: who spins reports no quiescent state, and the memory waited for does not
 * come.
 *
 * A zeroed block of 2^order pages, aligned to its size, for the given use (PAGE_HYPERVISOR or PAGE_DMA); NULL
 * when there is none. Any CPU, never in an RCU read section (it may later wait for one to end). */
void *pages_alloc(unsigned order, enum page_use use) MUST_CHECK;

/* What to call when there is no block: it may wait, and returns true if memory has come back meanwhile, so
 * that pages_alloc() tries again. rcu_pages_reclaim() is made for this. */
void page_alloc_set_reclaim(bool (*reclaim)(void));

/* Takes back a block that pages_alloc() gave, by the address it gave. Any CPU, any context. */
void pages_free(void *address);

/* The struct page of an address of the direct map, and back. page_of() is NULL for what the allocator does
 * not know. */
struct page *page_of(const void *address);
void *page_address(const struct page *page);

/* True if every page of the physical range [hpa, last] is in the given use. */
bool pages_all_in_use(uint64_t hpa, uint64_t last, enum page_use use) MUST_CHECK;

/* True if any page of the physical range [hpa, last] was given to the allocator, however long the range is.
 */
bool pages_any_known(uint64_t hpa, uint64_t last);

void page_alloc_stats(struct page_alloc_stats *stats);
