/* SPDX-License-Identifier: BSD-2-Clause */
/* Dirty tracking comes and goes on any units, beside everything else that drivers do. */
#include "lib/error.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"
#include "tests/model/spec_descriptors.h"

#define PAGES 12
#define IOVA  (0x40200000ull - PAGES / 2 * PAGE_SIZE)

struct tracker {
    enum iommu_tracking how;
    unsigned rounds, harvests; /* of each round */
};

/* Ends with the domain tracked, so that the oracle's last harvests show what was lost. */
static void tracker_main(void *context)
{
    const struct tracker *tracker = context;

    for (unsigned round = 0; round < tracker->rounds; round++) {
        int error;

        if (round)
            (void)rig_check(oracle_track(rig.oracle, IOMMU_TRACKING_OFF));
        rcu_quiescent();
        do {
            error = rig_check(oracle_track(rig.oracle, tracker->how));
            sometimes(!error);
            rcu_quiescent();
        } while (error);
        for (unsigned i = 0; i < tracker->harvests; i++) {
            unsigned first = schedule_choose(PAGES), end = first + 1 + schedule_choose(PAGES - first);

            (void)rig_check(oracle_harvest(rig.oracle, rig_page(first), rig_last(end - 1)));
            oracle_take_unmapped(rig.oracle);
            rcu_quiescent();
        }
    }
}

static struct rig_traffic traffic[2] = {
    {.device = 0, .pages = 8, .accesses = 24, .pause = 80},
    {.device = 1, .first = 3, .pages = PAGES - 3, .accesses = 16, .pause = 80},
};

static void start_devices(void)
{
    for (unsigned i = 0; i < 2; i++) {
        (void)rig_attach(i);
        rig_start_traffic(&traffic[i]);
    }
}

static void map_half(void)
{
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(PAGES / 2 - 1), rig.memory, PT_READ | PT_WRITE),
                 0);
}

SCENARIO(track_beside_drivers, .kind = SCENARIO_RANDOM,
         .what =
             "tracking starts and stops, and ranges are harvested, while a device comes and goes, pages are "
             "mapped and unmapped, and two devices write, on any units that keep dirty bits")
{
    static struct tracker tracker = {IOMMU_TRACKING_DIRTY_BITS, 3, 3};
    static struct rig_mapper mapper = {.first = PAGES / 2, .pages = PAGES / 2, .operations = 6};
    static struct rig_mover mover = {.device = 1, .operations = 4};

    rig.starts_untracked = true;
    rig_start_any(true, IOVA, PAGES);
    map_half();
    start_devices();
    rig_start_cpu(1, "tracker", tracker_main, &tracker);
    rig_start_mapper(2, &mapper);
    rig_start_mover(3, &mover);
    rig_run();
    rig_finish();
}

SCENARIO(all_writable_beside_drivers, .kind = SCENARIO_RANDOM,
         .what = "the same where all that is writable counts as written, on any units, those of legacy mode "
                 "included")
{
    static struct tracker tracker = {IOMMU_TRACKING_ALL_WRITABLE, 3, 3};
    static struct rig_mapper mapper = {.first = PAGES / 2, .pages = PAGES / 2, .operations = 6};
    static struct rig_mover mover = {.device = 1, .operations = 4};

    rig.starts_untracked = true;
    rig_start_any(false, IOVA, PAGES);
    map_half();
    start_devices();
    rig_start_cpu(1, "tracker", tracker_main, &tracker);
    rig_start_mapper(2, &mapper);
    rig_start_mover(3, &mover);
    rig_run();
    rig_finish();
}

static unsigned refusals_left;

static bool refuses_some(const struct unit_pending *descriptor)
{
    return SPEC_DESCRIPTOR_TYPE(descriptor->word[0]) != SPEC_DESCRIPTOR_WAIT && refusals_left &&
           refusals_left--;
}

SCENARIO(refused_track, .kind = SCENARIO_RANDOM,
         .what =
             "a unit refuses all that a start or a stop tries: a start is undone and tried again, and then "
             "no write is lost")
{
    static struct tracker tracker = {IOMMU_TRACKING_DIRTY_BITS, 3, 2};

    rig.starts_untracked = true;
    rig_start_any(true, IOVA, PAGES);
    map_half();
    start_devices();
    rig_start_cpu(1, "tracker", tracker_main, &tracker);
    rig.failures_left = 10;
    rig.cuts_off = true;
    refusals_left = 1 + rig_choose(12);
    machine_unit_of(0)->refuses = refuses_some;
    rig_run();
    sometimes(rig.failures_left < 10);
    refusals_left = 0;
    rig_finish();
}

/* Two domains that a device goes between, each with a tracker of its own. */

static struct iommu_domain *other_domain;
static struct oracle *other_oracle;

static void track_other(void *context)
{
    (void)context;
    for (unsigned i = 0; i < 3; i++) {
        if (i)
            expect_equal(oracle_track(other_oracle, IOMMU_TRACKING_OFF), 0);
        expect_equal(oracle_track(other_oracle, IOMMU_TRACKING_DIRTY_BITS), 0);
        rcu_quiescent();
        expect_equal(oracle_harvest(other_oracle, rig_page(0), rig_last(PAGES / 2 - 1)), 0);
        rcu_quiescent();
    }
}

static void move_to_and_fro(void *context)
{
    struct device *device = context;

    for (unsigned i = 0; i < 4; i++) {
        expect_equal(oracle_detach(i % 2 ? other_oracle : rig.oracle, device), 0);
        expect_equal(oracle_attach(i % 2 ? rig.oracle : other_oracle, device), 0);
        rcu_quiescent();
    }
}

SCENARIO(two_domains_tracked, .kind = SCENARIO_RANDOM,
         .what = "a device goes from one domain to another and back, while both start and stop being tracked")
{
    static struct tracker tracker = {IOMMU_TRACKING_DIRTY_BITS, 3, 2};
    int error;

    rig.starts_untracked = true;
    rig_start_any(true, IOVA, PAGES);
    map_half();
    other_domain = iommu_domain_create("other", &error);
    expect_equal(error, 0);
    other_oracle = oracle_make(other_domain, IOVA, PAGES);
    expect_equal(oracle_map(other_oracle, rig_page(0), rig_last(PAGES / 2 - 1), rig.memory + 32 * PAGE_SIZE,
                            PT_READ | PT_WRITE),
                 0);
    start_devices();
    rig_start_cpu(1, "tracker", tracker_main, &tracker);
    rig_start_cpu(2, "other tracker", track_other, NULL);
    rig_start_cpu(3, "mover", move_to_and_fro, &rig.devices[0]);
    rig.pages_go = true;
    rig_run();
    oracle_finish(other_oracle);
    expect_equal(iommu_domain_destroy(other_domain), 0);
    rig_finish();
}
