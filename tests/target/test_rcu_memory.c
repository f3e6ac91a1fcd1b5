/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapping and unmapping in a pool that is nearly empty: it lasts because the allocator waits for the tables
 * that are on their way back. */
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/rcu_pages.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/job.h"
#include "tests/target/rcu_fixture.h"

#define IOVA   0x100000000ull
#define ROUNDS 4000u
#define POOL   16u

/* Blocks that are taken so that only POOL pages are left, each linked by its first word. */
static void *hoard;

static void take_all_but_pool(void)
{
    void *left[POOL];
    unsigned taken = 0;

    while (taken < POOL && (left[taken] = pages_alloc(0, PAGE_HYPERVISOR)))
        taken++;
    for (unsigned order = PAGE_ORDER_MAX + 1; order--;) {
        void **block;

        while ((block = pages_alloc(order, PAGE_HYPERVISOR))) {
            *block = hoard;
            hoard = block;
        }
    }
    while (taken)
        pages_free(left[--taken]);
}

static void give_back(void)
{
    while (hoard) {
        void **block = hoard;

        hoard = *block;
        pages_free(block);
    }
}

/* Maps one page and unmaps what its table covers, so that the table goes. The first error. */
static int map_and_unmap(struct iommu_domain *domain, uint64_t hpa, unsigned rounds)
{
    int error = 0;

    for (unsigned i = 0; i < rounds && !error; i++) {
        error = iommu_map(domain, IOVA, IOVA + PAGE_SIZE - 1, hpa, PT_READ | PT_WRITE);
        if (!error)
            error = iommu_unmap(domain, IOVA, IOVA + 2 * MIB - 1, NULL);
    }
    return error;
}

/* Read sections of a millisecond, one after the other, on CPU 1: each grace period lasts. */
struct slow_reader {
    struct job job;
    uint32_t stop; /* atomic */
};

static void read_slowly(void *context)
{
    struct slow_reader *reader = context;

    while (!atomic_read(&reader->stop)) {
        uint64_t end = platform_time_ns() + NS_PER_MS;

        rcu_read_lock();
        while (platform_time_ns() < end)
            platform_relax();
        rcu_read_unlock();
        rcu_quiescent();
    }
}

/* Beside the reader, who lets the pool run dry long before the next grace period is over. */
static void run_without_waiting(struct iommu_domain *domain, uint64_t hpa)
{
    struct slow_reader reader = {.stop = 0};
    int error;

    if (!need_cpus(2))
        return;
    job_start(&reader.job, 1, read_slowly, &reader);
    error = map_and_unmap(domain, hpa, ROUNDS / 10);
    tap_ok(!error, "%u rounds beside a slow reader: %s", ROUNDS / 10, error_text(error));
    page_alloc_set_reclaim(NULL);
    error = map_and_unmap(domain, hpa, ROUNDS);
    page_alloc_set_reclaim(rcu_pages_reclaim);
    tap_ok(error == ERR_NOMEM, "the same without waiting for what is on its way: %s", error_text(error));
    atomic_write(&reader.stop, 1u);
    job_wait(&reader.job);
}

static void run_in_pool(struct iommu_domain *domain, uint64_t hpa)
{
    struct rcu_pages_stats before, after;
    int error;

    rcu_pages_stats(&before);
    take_all_but_pool();
    error = map_and_unmap(domain, hpa, ROUNDS);
    tap_ok(!error, "%u rounds with %u free pages: %s", ROUNDS, POOL, error_text(error));
    run_without_waiting(domain, hpa);
    give_back();
    rcu_barrier();
    rcu_pages_stats(&after);
    tap_ok(after.freed - before.freed >= ROUNDS && after.freed == after.queued,
           "%llu tables came back, none is on its way", (unsigned long long)(after.freed - before.freed));
}

TEST(rcu_memory_lasts)
{
    struct page_alloc_stats before, after;
    struct iommu_domain *domain;
    void *page;
    int error;

    rcu_barrier();
    page_alloc_stats(&before);
    page = pages_alloc(0, PAGE_DMA);
    domain = iommu_domain_create("memory", &error);
    if (tap_ok(page && domain, "a domain without devices: %s", error_text(error))) {
        run_in_pool(domain, virt_to_phys(page));
        error = iommu_domain_destroy(domain);
        tap_ok(!error, "the domain goes: %s", error_text(error));
    }
    if (page)
        pages_free(page);
    rcu_barrier();
    page_alloc_stats(&after);
    tap_ok(after.free_pages == before.free_pages, "%llu pages free, %llu before",
           (unsigned long long)after.free_pages, (unsigned long long)before.free_pages);
}
