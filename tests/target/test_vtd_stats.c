/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d: statistics of a unit and a domain, against what was done. */

#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"

#define LARGE_ORDER 9
#define SMALL       3u /* pages behind a large one */
#define BYTES       (2 * MIB + SMALL * PAGE_SIZE)
#define ROUNDS      16u

static uint64_t sum(const uint64_t *values, unsigned count)
{
    uint64_t total = 0;

    while (count--)
        total += values[count];
    return total;
}

static void check_leaves(struct iommu_domain *domain, uint64_t small, uint64_t large, const char *when)
{
    uint64_t leaves[PT_LEAF_LEVELS];

    iommu_domain_count(domain, leaves);
    tap_ok(leaves[0] == small && leaves[1] == large && !leaves[2], "%s: %llu, %llu and %llu leaves", when,
           (unsigned long long)leaves[0], (unsigned long long)leaves[1], (unsigned long long)leaves[2]);
}

static void check_sums(const struct vtd_queue_stats *stats)
{
    tap_ok(stats->batches == stats->completed + stats->refused + stats->dropped + stats->timed_out,
           "each of %llu batches came to an end", (unsigned long long)stats->batches);
    tap_ok(sum(stats->latency, VTD_LATENCIES) == stats->completed, "the histogram has all that completed");
    tap_ok(stats->invalidations[VTD_INVALIDATION_WAIT] == stats->batches, "each batch had one wait");
    tap_ok(!stats->refused && !stats->timed_out && !stats->stalls && !stats->turned_away, "none failed");
}

static bool map_and_unmap(struct edu_bench *bench, uint64_t hpa)
{
    uint64_t last = BENCH_IOVA + BYTES - 1;
    int error = iommu_map(bench->domain, BENCH_IOVA, last, hpa, PT_READ | PT_WRITE);

    if (!error)
        error = iommu_unmap(bench->domain, BENCH_IOVA, last, NULL);
    return !error || tap_ok(false, "map and unmap: %s", error_text(error));
}

static void check_rounds(struct edu_bench *bench, uint64_t hpa)
{
    struct vtd_unit *unit = vtd_unit_of(bench->edu.function);
    struct vtd_queue_stats before, after;
    /* In caching mode it hears of what is mapped in second-stage tables too. */
    unsigned told = vtd_limits()->caching_mode && vtd_stage() == VTD_SECOND_STAGE ? 2 : 1;

    vtd_queue_stats(&unit->queue, &before);
    for (unsigned i = 0; i < ROUNDS; i++)
        if (!map_and_unmap(bench, hpa))
            return;
    vtd_queue_stats(&unit->queue, &after);
    tap_ok(after.batches - before.batches == ROUNDS * told, "%u maps and unmaps are %llu batches", ROUNDS,
           (unsigned long long)(after.batches - before.batches));
    check_sums(&after);
}

TEST(vtd_statistics)
{
    struct edu_bench bench;
    void *memory;

    if (!edu_bench_open(&bench))
        return;
    memory = pages_alloc(LARGE_ORDER + 1, PAGE_DMA);
    if (memory && !iommu_map(bench.domain, BENCH_IOVA, BENCH_IOVA + BYTES - 1, virt_to_phys(memory),
                             PT_READ | PT_WRITE)) {
        /* One of them is the bench's own. */
        check_leaves(bench.domain, SMALL + 1, 1, "mapped");
        edu_bench_write_passes(&bench, BENCH_IOVA + 2 * MIB, PAGE_SIZE, "write of a small page");
        tap_ok(!iommu_unmap(bench.domain, BENCH_IOVA, BENCH_IOVA + PAGE_SIZE - 1, NULL), "unmap its first");
        check_leaves(bench.domain, SMALL + 1 + 511, 0, "split");
        tap_ok(!iommu_unmap(bench.domain, BENCH_IOVA, BENCH_IOVA + BYTES - 1, NULL), "unmap the rest");
        check_leaves(bench.domain, 1, 0, "unmapped");
        check_rounds(&bench, virt_to_phys(memory));
    } else {
        tap_ok(false, "no memory, or no mapping of it");
    }
    if (memory)
        pages_free(memory);
    edu_bench_close(&bench);
}
