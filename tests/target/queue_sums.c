/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums over the counters of an invalidation queue. */
#include "tests/target/queue_sums.h"
#include "iommu/vtd/vtd.h"
#include "lib/tap.h"

static uint64_t sum(const uint64_t *values, unsigned count)
{
    uint64_t total = 0;

    while (count--)
        total += values[count];
    return total;
}

void queue_sums_check(const struct iommu_queue_stats *stats)
{
    tap_ok(stats->batches == stats->completed + stats->refused + stats->dropped + stats->timed_out,
           "each of %llu batches came to an end", (unsigned long long)stats->batches);
    tap_ok(sum(stats->latency, IOMMU_LATENCIES) == stats->completed, "the histogram has all that completed");
    tap_ok(stats->invalidations[IOMMU_INVALIDATION_WAIT] == stats->batches, "each batch had one wait");
    tap_ok(!stats->refused && !stats->timed_out && !stats->stalls && !stats->turned_away, "none failed");
}

unsigned queue_sums_batches_a_round(void)
{
    /* In caching mode a unit hears of what is mapped in second-stage tables too (6.1). */
    return vtd_limits()->caching_mode && vtd_stage() == VTD_SECOND_STAGE ? 2 : 1;
}
