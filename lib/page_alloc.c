/* SPDX-License-Identifier: BSD-2-Clause */
/* The page allocator: a buddy system (Knuth, The Art of Computer Programming, volume 1, section 2.5) with
 * struct pages in sections of 128 MiB, so that holes in the physical address space cost nothing. */
#include "lib/page_alloc.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"
#include "lib/spinlock.h"
#include "lib/units.h"
#include <inttypes.h>
#include <string.h>

#define SECTION_LG2   27
#define SECTION_PAGES (1ull << (SECTION_LG2 - PAGE_LG2))
#define DIRECTORY_LG2 9 /* a directory of section pointers fills one page */
#define ADDRESS_LG2   48
#define DIRECTORIES   (1ull << (ADDRESS_LG2 - SECTION_LG2 - DIRECTORY_LG2))
/* So long an allocation waits for memory to come back. */
#define RECLAIM_NS (2 * NS_PER_S)

#define ORDER_NOT_A_BLOCK 0xff /* order of pages that do not begin a block */

struct directory {
    struct page *sections[1 << DIRECTORY_LG2];
};

static struct directory *directories[DIRECTORIES];
static struct list free_blocks[PAGE_ORDER_MAX + 1];
static struct page_alloc_stats totals;
static struct spinlock lock;
static bool (*reclaim)(void);

static struct page *page_at(uint64_t hpa)
{
    uint64_t section = hpa >> SECTION_LG2;
    const struct directory *directory;
    struct page *pages;

    if (hpa >> ADDRESS_LG2)
        return NULL;
    directory = directories[section >> DIRECTORY_LG2];
    pages = directory ? directory->sections[section & ((1 << DIRECTORY_LG2) - 1)] : NULL;
    return pages ? &pages[(hpa >> PAGE_LG2) % SECTION_PAGES] : NULL;
}

struct page *page_of(const void *address)
{
    struct page *page = page_at(virt_to_phys(address));

    return page && page->use != PAGE_UNUSED_FRAME ? page : NULL;
}

void *page_address(const struct page *page)
{
    return phys_to_virt(page->hpa);
}

static void block_set_use(uint64_t hpa, unsigned order, enum page_use use)
{
    for (uint64_t i = 0; i < 1ull << order; i++)
        page_at(hpa + i * PAGE_SIZE)->use = (uint8_t)use;
}

static void block_put(struct page *block, unsigned order)
{
    block->order = (uint8_t)order;
    list_append(&free_blocks[order], &block->link);
}

/* Takes a free block of exactly this order off its list, splitting a larger one where need be. NULL if there
 * is none. */
static struct page *block_take(unsigned order)
{
    unsigned larger = order;
    struct page *block;

    while (larger <= PAGE_ORDER_MAX && list_empty(&free_blocks[larger]))
        larger++;
    if (larger > PAGE_ORDER_MAX)
        return NULL;
    block = list_entry(free_blocks[larger].next, struct page, link);
    list_remove(&block->link);
    while (larger > order) {
        larger--;
        block_put(page_at(block->hpa + (PAGE_SIZE << larger)), larger);
    }
    block->order = (uint8_t)order;
    return block;
}

/* Puts a block back, merged with its buddy for as long as that is free too. */
static void block_give(struct page *block, unsigned order)
{
    while (order < PAGE_ORDER_MAX) {
        struct page *buddy = page_at(block->hpa ^ (PAGE_SIZE << order));

        if (!buddy || buddy->use != PAGE_FREE || buddy->order != order)
            break;
        list_remove(&buddy->link);
        if (buddy->hpa < block->hpa) {
            block->order = ORDER_NOT_A_BLOCK;
            block = buddy;
        } else {
            buddy->order = ORDER_NOT_A_BLOCK;
        }
        order++;
    }
    block_put(block, order);
}

void page_alloc_set_reclaim(bool (*hook)(void))
{
    reclaim = hook;
}

static void *try_alloc(unsigned order, enum page_use use)
{
    uint64_t saved = spin_lock_irq(&lock);
    struct page *block = totals.total_pages ? block_take(order) : NULL;

    if (block) {
        block_set_use(block->hpa, order, use);
        totals.free_pages -= 1ull << order;
        if (use == PAGE_DMA)
            totals.dma_pages += 1ull << order;
    }
    spin_unlock_irq(&lock, saved);
    return block ? memset(page_address(block), 0, PAGE_SIZE << order) : NULL;
}

void *pages_alloc(unsigned order, enum page_use use)
{
    void *block = try_alloc(order, use);
    bool more = !block && reclaim;
    uint64_t end_ns = more ? platform_time_ns() + RECLAIM_NS : 0;

    /* Others may take what comes back, or it may be too small: so not for ever. */
    while (!block && more && platform_time_ns() < end_ns) {
        more = reclaim();
        /* Once more even if nothing is on its way any more: it may have arrived between the try and the
         * question. */
        block = try_alloc(order, use);
    }
    return block;
}

static void poison(void *address, const struct page *block)
{
#ifdef LULL_DEBUG
    if (block->use == PAGE_HYPERVISOR && block->order == 0)
        memset(address, (uint8_t)PAGE_POISON, PAGE_SIZE);
#else
    (void)address;
    (void)block;
#endif
}

void pages_free(void *address)
{
    struct page *block = page_of(address);
    uint64_t saved;

    if (!block || block->use == PAGE_FREE || block->order == ORDER_NOT_A_BLOCK)
        platform_panic("pages_free(%p): not an allocated block", address);
    poison(address, block);
    saved = spin_lock_irq(&lock);
    totals.free_pages += 1ull << block->order;
    if (block->use == PAGE_DMA)
        totals.dma_pages -= 1ull << block->order;
    block_set_use(block->hpa, block->order, PAGE_FREE);
    block_give(block, block->order);
    spin_unlock_irq(&lock, saved);
}

/* The first page of [hpa, last] that was given to the allocator, NULL if none was. Sections that it does not
 * know are passed over as a whole: the range may come from firmware and be as long as addresses go. */
static const struct page *first_known(uint64_t hpa, uint64_t last)
{
    uint64_t at = align_down(hpa, PAGE_SIZE);

    while (at <= last && !(at >> ADDRESS_LG2)) {
        const struct page *page = page_at(at);

        if (page && page->use != PAGE_UNUSED_FRAME)
            return page;
        at = page ? at + PAGE_SIZE : align_down(at, 1ull << SECTION_LG2) + (1ull << SECTION_LG2);
    }
    return NULL;
}

bool pages_any_known(uint64_t hpa, uint64_t last)
{
    return first_known(hpa, last) != NULL;
}

bool pages_all_in_use(uint64_t hpa, uint64_t last, enum page_use use)
{
    for (uint64_t at = align_down(hpa, PAGE_SIZE); at <= last; at += PAGE_SIZE) {
        const struct page *page = page_at(at);

        if (!page || page->use != use)
            return false;
    }
    return true;
}

void page_alloc_stats(struct page_alloc_stats *stats)
{
    uint64_t saved = spin_lock_irq(&lock);

    *stats = totals;
    spin_unlock_irq(&lock, saved);
}

/* Memory for struct pages and directories: from the allocator, else off the front of the range that is being
 * added. */
static void *metadata_take(unsigned order, uint64_t *hpa, uint64_t end)
{
    void *memory = pages_alloc(order, PAGE_HYPERVISOR);

    if (memory || end - *hpa < PAGE_SIZE << order)
        return memory;
    memory = memset(phys_to_virt(*hpa), 0, PAGE_SIZE << order);
    *hpa += PAGE_SIZE << order;
    return memory;
}

/* Makes the struct pages of the section that hpa lies in, unless they are there. */
static int section_add(uint64_t section, uint64_t *hpa, uint64_t end)
{
    unsigned order = 0;
    struct directory **directory = &directories[section >> DIRECTORY_LG2];
    struct page **pages;

    if (!*directory)
        *directory = metadata_take(0, hpa, end);
    if (!*directory)
        return ERR_NOMEM;
    pages = &(*directory)->sections[section & ((1 << DIRECTORY_LG2) - 1)];
    while (PAGE_SIZE << order < SECTION_PAGES * sizeof(struct page))
        order++;
    if (!*pages)
        *pages = metadata_take(order, hpa, end);
    return *pages ? 0 : ERR_NOMEM;
}

static int range_check(uint64_t hpa, uint64_t end)
{
    const struct page *known;

    if (end >> ADDRESS_LG2) {
        log_error("memory: %#" PRIx64 "-%#" PRIx64 " is beyond %d bits", hpa, end, ADDRESS_LG2);
        return ERR_RANGE;
    }
    known = first_known(hpa, end - 1);
    if (!known)
        return 0;
    log_error("memory: %#" PRIx64 " was given to the allocator already", known->hpa);
    return ERR_RANGE;
}

static void frames_init(uint64_t hpa, uint64_t end, enum page_use use)
{
    for (; hpa < end; hpa += PAGE_SIZE) {
        struct page *page = page_at(hpa);

        list_init(&page->link);
        page->hpa = hpa;
        page->use = (uint8_t)use;
        page->order = ORDER_NOT_A_BLOCK;
    }
}

static void range_give(uint64_t hpa, uint64_t end)
{
    uint64_t saved = spin_lock_irq(&lock);

    while (hpa < end) {
        unsigned order = 0;

        while (order < PAGE_ORDER_MAX && is_aligned(hpa, PAGE_SIZE << (order + 1)) &&
               hpa + (PAGE_SIZE << (order + 1)) <= end)
            order++;
        block_give(page_at(hpa), order);
        totals.free_pages += 1ull << order;
        hpa += PAGE_SIZE << order;
    }
    spin_unlock_irq(&lock, saved);
}

int page_alloc_add(uint64_t hpa, uint64_t end)
{
    uint64_t first = align_up(hpa, PAGE_SIZE);
    uint64_t usable = first;
    int error;

    end = align_down(end, PAGE_SIZE);
    if (first >= end)
        return 0;
    error = range_check(first, end);
    if (error)
        return error;
    if (!totals.total_pages)
        for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
            list_init(&free_blocks[order]);
    for (uint64_t section = first >> SECTION_LG2; section <= (end - 1) >> SECTION_LG2; section++) {
        error = section_add(section, &usable, end);
        if (error) {
            log_warn("memory: no room for the struct pages of %#" PRIx64 "-%#" PRIx64, first, end);
            return error;
        }
    }
    frames_init(first, usable, PAGE_HYPERVISOR);
    frames_init(usable, end, PAGE_FREE);
    totals.total_pages += (end - first) / PAGE_SIZE;
    range_give(usable, end);
    return 0;
}
