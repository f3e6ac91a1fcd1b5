/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d: statistics of a unit and a domain, against what was done. */

#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include "tests/target/queue_sums.h"

#define LARGE_ORDER 9
#define SMALL       3u /* pages behind a large one */
#define BYTES       (2 * MIB + SMALL * PAGE_SIZE)
#define ROUNDS      16u

static void check_leaves(struct iommu_domain *domain, uint64_t small, uint64_t large, const char *when)
{
    uint64_t leaves[PT_LEAF_LEVELS];

    iommu_domain_count(domain, leaves);
    tap_ok(leaves[0] == small && leaves[1] == large && !leaves[2], "%s: %llu, %llu and %llu leaves", when,
           (unsigned long long)leaves[0], (unsigned long long)leaves[1], (unsigned long long)leaves[2]);
}

/* How many tables a domain has, and how many it has freed. */
static struct iommu_domain_info tables_of(struct iommu_domain *domain)
{
    struct iommu_domain_info info;

    iommu_domain_info(domain, &info);
    return info;
}

/* What was made and is gone was freed. */
static void check_freed(struct iommu_domain *domain, const struct iommu_domain_info *before, uint64_t made)
{
    struct iommu_domain_info after = tables_of(domain);

    tap_ok(after.tables == before->tables && after.tables_freed == before->tables_freed + made &&
               !after.quarantined,
           "%llu tables were made, and %llu are freed (%llu in use before, %llu now)",
           (unsigned long long)made, (unsigned long long)(after.tables_freed - before->tables_freed),
           (unsigned long long)before->tables, (unsigned long long)after.tables);
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
    struct iommu_queue_stats before, after;
    unsigned told = queue_sums_batches_a_round();

    vtd_queue_stats(&unit->queue, &before);
    for (unsigned i = 0; i < ROUNDS; i++)
        if (!map_and_unmap(bench, hpa))
            return;
    vtd_queue_stats(&unit->queue, &after);
    tap_ok(after.batches - before.batches == ROUNDS * told, "%u maps and unmaps are %llu batches", ROUNDS,
           (unsigned long long)(after.batches - before.batches));
    queue_sums_check(&after);
}

TEST(vtd_statistics)
{
    struct iommu_domain_info before;
    struct edu_bench bench;
    void *memory;
    uint64_t made;

    if (!edu_bench_open(&bench))
        return;
    memory = pages_alloc(LARGE_ORDER + 1, PAGE_DMA);
    before = tables_of(bench.domain);
    if (memory && !iommu_map(bench.domain, BENCH_IOVA, BENCH_IOVA + BYTES - 1, virt_to_phys(memory),
                             PT_READ | PT_WRITE)) {
        /* One of them is the bench's own. */
        check_leaves(bench.domain, SMALL + 1, 1, "mapped");
        edu_bench_write_passes(&bench, BENCH_IOVA + 2 * MIB, PAGE_SIZE, "write of a small page");
        tap_ok(!iommu_unmap(bench.domain, BENCH_IOVA, BENCH_IOVA + PAGE_SIZE - 1, NULL), "unmap its first");
        check_leaves(bench.domain, SMALL + 1 + 511, 0, "split");
        made = tables_of(bench.domain).tables - before.tables;
        tap_ok(!iommu_unmap(bench.domain, BENCH_IOVA, BENCH_IOVA + BYTES - 1, NULL), "unmap the rest");
        check_leaves(bench.domain, 1, 0, "unmapped");
        check_freed(bench.domain, &before, made);
        check_rounds(&bench, virt_to_phys(memory));
    } else {
        tap_ok(false, "no memory, or no mapping of it");
    }
    if (memory)
        pages_free(memory);
    edu_bench_close(&bench);
}
