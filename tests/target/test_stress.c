/* SPDX-License-Identifier: BSD-2-Clause */
/* DMA, map, unmap, split, merge and harvest together, for some seconds. */

#include "lib/error.h"
#include "lib/tap.h"
#include "tests/target/job.h"
#include "tests/target/stress.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RUN_NS       (5 * NS_PER_S)
#define LAST_PASSES  4 /* with the devices at rest, at most: the first settles everything */
#define LEAST_MAPS   20u
#define LEAST_PASSES 10u

static uint32_t count_stale(const struct stress *stress)
{
    uint32_t count = 0;

    for (unsigned page = 0; page < STRESS_KEPT; page++)
        if (memcmp(stress->kept + page * PAGE_SIZE, stress->copies + page * PAGE_SIZE, PAGE_SIZE) != 0)
            count++;
    return count;
}

/* Passes until one finds nothing. */
static bool settle(struct stress *stress)
{
    for (unsigned i = 0; i < LAST_PASSES; i++)
        if (!stress_pass(stress, true))
            return true;
    return false;
}

static void check(struct stress *stress)
{
    const struct stress_wrong *wrong = &stress->wrong;
    uint64_t written, judged;

    ledger_totals(&stress->ledger, &written, &judged);
    tap_note("%u passes, %u copies, %u maps, %u splits and merges, %u commands to NVMe, %u to edu",
             stress->passes, stress->copied, stress->maps, stress->changes, stress->reads,
             stress->edu_transfers);
    tap_note("%" PRIu64 " tables left out by passes, %" PRIu64 " of them audited", stress->found.pruned,
             stress->found.audited);
    tap_ok(!wrong->missed && judged && judged == written,
           "each of %" PRIu64 " writes to small leaves is in a pass that could have it (%u are not)", judged,
           wrong->missed);
    tap_ok(!wrong->error, "every map, unmap, harvest and transfer succeeds (%s)", error_text(wrong->error));
    tap_ok(!wrong->resurrected, "no entry comes back after its unmap");
    tap_ok(!wrong->late, "no page is written after its unmap (%u were)", wrong->late);
    tap_ok(!wrong->unreported, "every page written and unmapped was reported (%u were not)",
           wrong->unreported);
    tap_ok(!wrong->stale, "the copies of reported pages are all that was written (%u differ)", wrong->stale);
    tap_ok(stress->passes >= LEAST_PASSES && stress->maps >= LEAST_MAPS && stress->copied,
           "enough happened: %u passes, %u maps, %u pages copied", stress->passes, stress->maps,
           stress->copied);
}

static void run(struct stress *stress)
{
    struct job mapper, harvester;
    bool answered;

    job_start(&mapper, 1, stress_map, stress);
    job_start(&harvester, 2, stress_harvest, stress);
    answered = stress_write(stress, RUN_NS);
    job_wait(&mapper);
    job_wait(&harvester);
    tap_ok(answered && (!stress->has_edu || !edu_close(&stress->edu)), "the devices come to rest");
    tap_ok(settle(stress), "and passes then find nothing more");
    stress->wrong.stale = count_stale(stress);
    check(stress);
}

static void stress_with(uint64_t slot_stride)
{
    struct stress *stress = malloc(sizeof(*stress));

    if (!stress) {
        tap_ok(false, "memory for the stress");
        return;
    }
    if (stress_open(stress, slot_stride)) {
        run(stress);
        stress_close(stress);
    }
    free(stress);
}

/* Leaves come and go in a table that stays. */
TEST(stress_leaves)
{
    stress_with(PAGE_SIZE);
}

/* Each goes with its table. */
TEST(stress_tables)
{
    stress_with(STRESS_SLOT_SPAN);
}
