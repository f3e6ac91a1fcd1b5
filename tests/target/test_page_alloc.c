/* SPDX-License-Identifier: BSD-2-Clause */
/* The page allocator on the machine's own memory. */

#include "arch/cpu/cpu.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/job.h"
#include "tests/target/random.h"
#include <string.h>

static bool is_zero(const void *address, uint64_t bytes)
{
    const uint64_t *words = address;

    for (uint64_t i = 0; i < bytes / sizeof(*words); i++) {
        if (words[i])
            return false;
    }
    return true;
}

static bool same(const struct page_alloc_stats *a, const struct page_alloc_stats *b)
{
    return a->total_pages == b->total_pages && a->free_pages == b->free_pages && a->dma_pages == b->dma_pages;
}

TEST(page_alloc_orders)
{
    struct page_alloc_stats before, during, after;

    page_alloc_stats(&before);
    for (unsigned order = 0; order <= 12; order++) {
        void *block = pages_alloc(order, PAGE_DMA);
        bool good;

        page_alloc_stats(&during);
        good = block && is_aligned(virt_to_phys(block), PAGE_SIZE << order) &&
               before.free_pages - during.free_pages == 1ull << order &&
               during.dma_pages - before.dma_pages == 1ull << order;
        tap_ok(good, "2^%u pages: aligned, counted", order);
        if (block)
            pages_free(block);
    }
    page_alloc_stats(&after);
    tap_ok(same(&before, &after), "all is back: %llu pages free, %llu before",
           (unsigned long long)after.free_pages, (unsigned long long)before.free_pages);
}

TEST(page_alloc_zeroes)
{
    bool zero = true;

    for (unsigned i = 0; i < 64 && zero; i++) {
        void *block = pages_alloc(3, PAGE_DMA);

        zero = block && is_zero(block, PAGE_SIZE << 3);
        if (block) {
            memset(block, 0xff, PAGE_SIZE << 3);
            pages_free(block);
        }
    }
    tap_ok(zero, "64 blocks, each dirtied and freed, came zeroed");
}

TEST(page_alloc_uses)
{
    void *dma = pages_alloc(2, PAGE_DMA);
    void *hypervisor = pages_alloc(2, PAGE_HYPERVISOR);
    uint64_t hpa;

    if (!dma || !hypervisor) {
        tap_ok(false, "no memory for 8 pages");
        return;
    }
    hpa = virt_to_phys(dma);
    tap_ok(pages_all_in_use(hpa, hpa + 4 * PAGE_SIZE - 1, PAGE_DMA), "four pages for DMA are");
    tap_ok(!pages_all_in_use(hpa, hpa + 4 * PAGE_SIZE - 1, PAGE_HYPERVISOR), "and are not the hypervisor's");
    tap_ok(!pages_all_in_use(virt_to_phys(hypervisor), virt_to_phys(hypervisor), PAGE_DMA),
           "a page of the hypervisor is not for DMA");
    pages_free(dma);
    tap_ok(!pages_all_in_use(hpa, hpa, PAGE_DMA), "a freed page is not for DMA");
    tap_ok(!pages_all_in_use(0xfee00000, 0xfee00fff, PAGE_DMA), "what is not memory is not for DMA");
    tap_ok(page_of(hypervisor) && page_address(page_of(hypervisor)) == hypervisor, "page_of() and back");
    pages_free(hypervisor);
}

/* Each CPU holds some blocks, stamps them from end to end, and looks whether the stamps stay. */
#define HELD   32
#define ROUNDS 500

struct held {
    uint64_t *block;
    uint64_t words;
    uint64_t stamp;
};

static bool stamped(const struct held *held)
{
    for (uint64_t i = 0; i < held->words; i += 64) {
        if (held->block[i] != held->stamp)
            return false;
    }
    return true;
}

static bool replace(struct held *held, unsigned order, uint64_t stamp)
{
    bool good = true;

    if (held->block) {
        good = stamped(held);
        pages_free(held->block);
    }
    held->block = pages_alloc(order, PAGE_HYPERVISOR);
    held->words = (PAGE_SIZE << order) / sizeof(uint64_t);
    held->stamp = stamp;
    for (uint64_t i = 0; held->block && i < held->words; i += 64)
        held->block[i] = stamp;
    return good && held->block;
}

static void allocate_many(void *context)
{
    uint32_t *bad = context;
    uint64_t id = platform_cpu_id() + 1;
    struct random random = random_seeded(id);
    struct held held[HELD] = {0};

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!replace(&held[random_below(&random, HELD)], random_below(&random, 5), id << 32 | i))
            atomic_fetch_add(bad, 1u);
    }
    for (unsigned i = 0; i < HELD; i++) {
        if (!held[i].block)
            continue;
        if (!stamped(&held[i]))
            atomic_fetch_add(bad, 1u);
        pages_free(held[i].block);
    }
}

TEST(page_alloc_parallel)
{
    struct page_alloc_stats before, after;
    uint32_t bad = 0;
    int error;

    rcu_barrier();
    page_alloc_stats(&before);
    error = job_run_everywhere(allocate_many, &bad);
    page_alloc_stats(&after);
    tap_ok(!error && bad == 0, "%u CPUs, %u allocations each: no page was given to two", cpu_count(), ROUNDS);
    tap_ok(same(&before, &after), "all is back: %llu pages free, %llu before",
           (unsigned long long)after.free_pages, (unsigned long long)before.free_pages);
}
