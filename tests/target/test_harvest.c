/* SPDX-License-Identifier: BSD-2-Clause */
/* Harvests: they report the pages that edu wrote, and no others. */

#include "arch/cpu/cpu.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include "tests/target/job.h"
#include <string.h>

#define PAGES 16
#define BYTES (PAGES * PAGE_SIZE)
#define LAST  (BENCH_IOVA + BYTES - 1)

/* Sixteen pages of 4 KiB leaves, clean. */
struct range {
    struct edu_bench bench;
    char *block;
};

static uint64_t harvest(struct range *range, unsigned flags)
{
    uint64_t word = 0;
    struct dirty_bitmap bitmap = {&word, BENCH_IOVA, LAST};
    int error = iommu_harvest(range->bench.domain, BENCH_IOVA, LAST, &bitmap, flags, NULL);

    if (error)
        tap_ok(false, "harvest: %s", error_text(error));
    return word;
}

/* False where there is nothing to harvest, which is said. */
static bool starts_tracking(struct iommu_domain *domain)
{
    const struct iommu_track track = {.how = IOMMU_TRACKING_DIRTY_BITS, .level = PT_LEAF_LEVEL_MAX};
    struct iommu_domain_info info;
    int error;

    iommu_domain_info(domain, &info);
    if (!info.tracks_dirty) {
        tap_skip("the units keep no dirty bits");
        return false;
    }
    error = iommu_domain_track(domain, &track);
    if (error)
        tap_ok(false, "tracking starts: %s", error_text(error));
    return !error;
}

/* One page further in memory than in IOVA, so that no larger leaf comes of it. */
static bool range_open(struct range *range)
{
    int error = ERR_NOMEM;

    if (!edu_bench_open(&range->bench))
        return false;
    if (!starts_tracking(range->bench.domain)) {
        edu_bench_close(&range->bench);
        return false;
    }
    range->block = pages_alloc(5, PAGE_DMA);
    if (range->block)
        error = iommu_map(range->bench.domain, BENCH_IOVA, LAST, virt_to_phys(range->block) + PAGE_SIZE,
                          PT_READ | PT_WRITE);
    if (!error) {
        harvest(range, 0); /* a fresh mapping may count as dirty */
        return true;
    }
    tap_ok(false, "map 16 pages: %s", error_text(error));
    if (range->block)
        pages_free(range->block);
    edu_bench_close(&range->bench);
    return false;
}

static void range_close(struct range *range)
{
    int error = iommu_unmap(range->bench.domain, BENCH_IOVA, LAST, NULL);

    if (error)
        tap_ok(false, "unmap: %s", error_text(error));
    else
        pages_free(range->block);
    edu_bench_close(&range->bench);
}

static void write_page(struct range *range, unsigned page)
{
    int error = edu_write(&range->bench.edu, BENCH_IOVA + page * PAGE_SIZE + 8, 16);

    if (error)
        tap_ok(false, "edu: %s", error_text(error));
}

static void check_harvest(struct range *range, unsigned flags, uint64_t expected, const char *what)
{
    uint64_t found = harvest(range, flags);

    tap_ok(found == expected, "%s: pages %#llx (%#llx)", what, (unsigned long long)expected,
           (unsigned long long)found);
}

TEST(harvest_exactly_what_was_written)
{
    struct range range;

    if (!range_open(&range))
        return;
    check_harvest(&range, 0, 0, "before any write");
    write_page(&range, 0);
    write_page(&range, 5);
    write_page(&range, 15);
    check_harvest(&range, 0, 1u << 0 | 1u << 5 | 1u << 15, "after writes to three pages");
    check_harvest(&range, 0, 0, "once more");
    range_close(&range);
}

/* The unit has the translation in its cache, with "dirty is set" in it, unless the harvest invalidated. */
TEST(harvest_same_page_again)
{
    struct range range;

    if (!range_open(&range))
        return;
    for (unsigned i = 0; i < 3; i++) {
        write_page(&range, 7);
        check_harvest(&range, 0, 1u << 7, "after another write to the same page");
    }
    range_close(&range);
}

TEST(harvest_keep)
{
    struct range range;

    if (!range_open(&range))
        return;
    write_page(&range, 3);
    check_harvest(&range, HARVEST_KEEP, 1u << 3, "with HARVEST_KEEP");
    check_harvest(&range, HARVEST_KEEP, 1u << 3, "with HARVEST_KEEP again");
    check_harvest(&range, 0, 1u << 3, "without");
    check_harvest(&range, 0, 0, "and once more");
    range_close(&range);
}

TEST(harvest_part_of_range)
{
    struct range range;
    uint64_t word = 0;
    struct dirty_bitmap bitmap = {&word, BENCH_IOVA, LAST};
    int error;

    if (!range_open(&range))
        return;
    write_page(&range, 2);
    write_page(&range, 9);
    error = iommu_harvest(range.bench.domain, BENCH_IOVA, BENCH_IOVA + 8 * PAGE_SIZE - 1, &bitmap, 0, NULL);
    tap_ok(!error && word == 1u << 2, "the first eight pages: %#llx (%s)", (unsigned long long)word,
           error_text(error));
    check_harvest(&range, 0, 1u << 9, "the rest");
    range_close(&range);
}

/* One page is unmapped on its own, then all of them with their table. */
TEST(harvest_by_unmap)
{
    struct range range;
    uint64_t words[8] = {0};
    struct dirty_bitmap bitmap = {words, BENCH_IOVA, BENCH_IOVA + 2 * MIB - 1};
    int error;

    if (!range_open(&range))
        return;
    write_page(&range, 4);
    write_page(&range, 11);
    error =
        iommu_unmap(range.bench.domain, BENCH_IOVA + 4 * PAGE_SIZE, BENCH_IOVA + 5 * PAGE_SIZE - 1, &bitmap);
    tap_ok(!error && words[0] == 1u << 4, "unmapping a page reports it: %#llx (%s)",
           (unsigned long long)words[0], error_text(error));
    words[0] = 0;
    error = iommu_unmap(range.bench.domain, BENCH_IOVA, bitmap.last, &bitmap);
    tap_ok(!error && words[0] == 1u << 11,
           "unmapping the rest with its table reports what is left: %#llx (%s)", (unsigned long long)words[0],
           error_text(error));
    range_close(&range);
}

/* CPU 1 harvests a gigabyte in which CPU 0 maps and unmaps: the walk meets tables that are going. No device
 * is needed. */
struct walker {
    struct job job;
    struct iommu_domain *domain;
    uint64_t *words;
    uint32_t stop; /* atomic */
    uint64_t harvests;
    int error;
};

#define WALK_IOVA (2 * GIB)
#define WALK_LAST (WALK_IOVA + GIB - 1)

static void walk(void *context)
{
    struct walker *walker = context;
    struct dirty_bitmap bitmap = {walker->words, WALK_IOVA, WALK_LAST};

    while (!walker->error && !atomic_read(&walker->stop)) {
        walker->error = iommu_harvest(walker->domain, WALK_IOVA, WALK_LAST, &bitmap, 0, NULL);
        walker->harvests++;
    }
}

/* 1 MiB at the end of a table and the beginning of the next, unmapped with both tables or with everything. */
static int map_and_unmap(struct iommu_domain *domain, uint64_t hpa, uint64_t round)
{
    uint64_t middle = WALK_IOVA + (1 + round % 200) * 2 * MIB;
    int error = iommu_map(domain, middle - MIB / 2, middle + MIB / 2 - 1, hpa, PT_READ | PT_WRITE);

    if (error)
        return error;
    if (round % 2)
        return iommu_unmap(domain, WALK_IOVA, WALK_LAST, NULL);
    return iommu_unmap(domain, middle - 2 * MIB, middle + 2 * MIB - 1, NULL);
}

static void walk_beside_unmap(struct walker *walker, uint64_t hpa)
{
    uint64_t end = platform_time_ns() + 300 * NS_PER_MS, rounds = 0;
    struct iommu_domain_info info;
    int error = 0;

    if (!starts_tracking(walker->domain))
        return;
    job_start(&walker->job, 1, walk, walker);
    while (!error && platform_time_ns() < end) {
        error = map_and_unmap(walker->domain, hpa, rounds++);
        event_step();
    }
    atomic_write(&walker->stop, 1u);
    job_wait(&walker->job);
    iommu_domain_info(walker->domain, &info);
    tap_ok(!error && !walker->error && walker->harvests,
           "%llu times map and unmap (%s) beside %llu harvests (%s), %llu tables freed",
           (unsigned long long)rounds, error_text(error), (unsigned long long)walker->harvests,
           error_text(walker->error), (unsigned long long)info.tables_freed);
}

TEST(harvest_beside_unmap)
{
    struct walker walker = {0};
    struct page_alloc_stats before, after;
    void *memory;

    if (cpu_count() < 2) {
        tap_skip("needs 2 CPUs");
        return;
    }
    rcu_barrier();
    page_alloc_stats(&before);
    walker.words = pages_alloc(3, PAGE_HYPERVISOR);
    memory = pages_alloc(8, PAGE_DMA);
    walker.domain = iommu_domain_create("test", &walker.error);
    if (walker.words && memory && walker.domain)
        walk_beside_unmap(&walker, virt_to_phys(memory));
    else
        tap_ok(false, "a domain and memory: %s", error_text(walker.error));
    if (walker.domain)
        tap_ok(!iommu_domain_destroy(walker.domain), "destroy the domain");
    if (walker.words)
        pages_free(walker.words);
    if (memory)
        pages_free(memory);
    rcu_barrier();
    page_alloc_stats(&after);
    tap_ok(after.free_pages == before.free_pages, "all is back: %llu pages free, %llu before",
           (unsigned long long)after.free_pages, (unsigned long long)before.free_pages);
}

static void check_large_leaf(struct edu_bench *bench)
{
    uint64_t words[8] = {0};
    struct dirty_bitmap bitmap = {words, BENCH_IOVA, BENCH_IOVA + 2 * MIB - 1};
    struct dma_memory memory;
    bool all = true;
    int error = dma_memory_map(&memory, bench->domain, BENCH_IOVA, 9);

    if (!error)
        error = iommu_harvest(bench->domain, BENCH_IOVA, bitmap.last, &bitmap, 0, NULL);
    memset(words, 0, sizeof(words));
    if (!error)
        error = edu_write(&bench->edu, BENCH_IOVA + 77 * PAGE_SIZE, 16);
    if (!error)
        error = iommu_harvest(bench->domain, BENCH_IOVA, bitmap.last, &bitmap, 0, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        all &= words[i] == ~0ull;
    tap_ok(!error && all, "a write into a 2 MiB leaf reports all 512 pages (%s)", error_text(error));
    tap_ok(!dma_memory_unmap(&memory), "unmap");
}

TEST(harvest_large_leaf)
{
    struct edu_bench bench;

    if (!edu_bench_open(&bench))
        return;
    if (starts_tracking(bench.domain))
        check_large_leaf(&bench);
    edu_bench_close(&bench);
}
