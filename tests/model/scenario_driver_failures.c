/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that do what they may not, and units that refuse what is right. */
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"
#include "tests/model/spec_descriptors.h"

#define PAGES 12
#define IOVA  (0x40200000ull - PAGES / 2 * PAGE_SIZE)

SCENARIO(fault_storm, .kind = SCENARIO_RANDOM,
         .what = "devices fault faster than the registers are read; the others' DMA and the queue go on")
{
    static struct rig_mapper mapper = {.first = 0, .pages = 4, .operations = 6};
    static struct rig_traffic storms[2] = {{.device = 1, .first = 6, .pages = 6, .accesses = 30},
                                           {.device = 2, .first = 6, .pages = 6, .accesses = 30}};
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 16, .pause = 80};
    uint64_t before;
    const struct unit_config *config = rig_choose_unit(3);

    rig_start(&config, 1, IOVA, PAGES);
    (void)rig_attach(0);
    (void)rig_attach(1);
    device_make(&rig.devices[2], "blocked device", 0x300, false);
    oracle_watch(rig.oracle, &rig.devices[2]);
    rig_start_mapper(1, &mapper);
    rig_start_traffic(&storms[0]);
    rig_start_traffic(&storms[1]);
    rig_start_traffic(&traffic);
    rig_run();
    before = iommu_fault_count();
    expect(before > 0);
    /* All was read: the registers take new ones. */
    expect(!device_access(&rig.devices[1], rig_page(PAGES - 1), true));
    expect_equal(iommu_fault_count(), before + 1);
    rig_finish();
}

SCENARIO(refused_descriptor, .kind = SCENARIO_RANDOM,
         .what = "a unit refuses a descriptor that is right: a wider one does, and nobody notices")
{
    static struct rig_mapper mappers[2] = {
        {.first = 0, .pages = PAGES / 2, .operations = 4},
        {.first = PAGES / 2, .pages = PAGES / 2, .operations = 5, .tables = true}};
    static struct rig_harvester harvester = {.operations = 3};
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 20, .pause = 80};

    rig_start_any(rig_choose(2), IOVA, PAGES);
    (void)rig_attach(0);
    mappers[1].tables_iova = rig_page(PAGES / 2);
    mappers[1].tables_last = mappers[1].tables_iova + 2 * MIB - 1;
    rig_start_mapper(1, &mappers[0]);
    rig_start_mapper(2, &mappers[1]);
    if (rig.tracked)
        rig_start_harvester(3, &harvester);
    rig_start_traffic(&traffic);
    machine_unit(0)->inject_iqe_in = 1 + rig_choose(12);
    rig_run();
    sometimes(vtd_unit(0)->widened);
    machine_unit(0)->inject_iqe_in = 0;
    rig_finish();
}

static unsigned refusals_left;

static bool refuses_some(const struct unit_pending *descriptor)
{
    return SPEC_DESCRIPTOR_TYPE(descriptor->word[0]) != SPEC_DESCRIPTOR_WAIT && refusals_left &&
           refusals_left--;
}

SCENARIO(refused_harvest, .kind = SCENARIO_RANDOM,
         .what = "a unit refuses all that a harvest tries: the next one reports the same pages again")
{
    static struct rig_harvester harvester = {.operations = 5};
    static struct rig_traffic traffic = {
        .device = 0, .pages = 3, .accesses = 30, .pause = 40, .kind = RIG_WRITES};

    rig_start_any(true, IOVA, PAGES);
    (void)rig_attach(0);
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(2), rig.memory, PT_READ | PT_WRITE), 0);
    rig_start_harvester(1, &harvester);
    rig_start_traffic(&traffic);
    rig.failures_left = 5;
    rig.cuts_off = true;
    refusals_left = 1 + rig_choose(8);
    machine_unit_of(0)->refuses = refuses_some;
    rig_run();
    sometimes(rig.failures_left < 5);
    sometimes(rig_is_cut_off(0));
    refusals_left = 0;
    rig_finish();
}

SCENARIO(refused_while_moving, .kind = SCENARIO_RANDOM,
         .what = "a unit refuses a descriptor of an attach or a detach: the device is out, and comes in "
                 "again")
{
    static struct rig_mover mover = {.device = 0, .operations = 6};
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 20, .pause = 80};

    rig_start_any(false, IOVA, PAGES);
    (void)rig_attach(0);
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(5), rig.memory, PT_READ | PT_WRITE), 0);
    rig_start_mover(1, &mover);
    rig_start_traffic(&traffic);
    rig.failures_left = 1;
    machine_unit_of(0)->inject_iqe_in = 1 + rig_choose(12);
    rig_run();
    machine_unit_of(0)->inject_iqe_in = 0;
    rig_finish();
}

static uint64_t died_ns;

static void stop_reading(void *context)
{
    for (unsigned turns = schedule_choose(60); turns; turns--) {
        rcu_quiescent();
        platform_relax();
    }
    machine_unit(0)->silent_queue = true;
    died_ns = schedule_time_ns();
    (void)context;
}

SCENARIO(queue_dies_and_lives, .kind = SCENARIO_RANDOM,
         .what = "a unit stops reading its queue: whoever submits is sent away within two seconds together, "
                 "nothing is freed that it may walk; it reads again, and all goes on")
{
    static struct rig_mapper mapper = {.first = 0, .pages = PAGES, .operations = 6, .tables = true};
    static struct rig_mover mover = {.device = 1, .operations = 4};
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 12};
    const struct unit_config *config = unit_configs_first_stage[rig_choose(3)];
    unsigned who = rig_choose(8);
    struct unit *unit;

    rig_start(&config, 1, IOVA, PAGES);
    (void)rig_attach(0);
    (void)rig_attach(1);
    mapper.tables_iova = rig_page(0);
    mapper.tables_last = mapper.tables_iova + 2 * MIB - 1;
    /* Both seldom: while two CPUs look, time passes by looks only, a million for a second. */
    if (who < 5)
        rig_start_mapper(1, &mapper);
    if (who > 3)
        rig_start_mover(2, &mover);
    rig_start_cpu(3, "who stops the unit", stop_reading, NULL);
    rig_start_traffic(&traffic);
    rig.failures_left = 100;
    rig.cuts_off = true;
    rig_run();
    /* One for a batch that was fetched and not carried out, and one until the next finds the unit dead. */
    expect(schedule_time_ns() - died_ns < 2 * NS_PER_S + 500 * NS_PER_MS);
    sometimes(vtd_unit(0)->queue.stalled);
    unit = machine_unit(0);
    unit->silent_queue = false;
    while (unit->iqh != unit->iqt)
        platform_relax();
    rig.failures_left = 0;
    rig_finish();
}
