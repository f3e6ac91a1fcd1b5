/* SPDX-License-Identifier: BSD-2-Clause */
/* Harvests that leave out what accessed bits say was not touched, on units that cache table entries for as
 * long as they like: no write is lost. Ranges are those of whole tables, since only entries that lie in the
 * range are gone by. */
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"

#define TABLES 2
#define PAGES  (TABLES * PT_ENTRIES)

/* Not among what the first audits look at. */
#define IOVA (0x40000000ull + 20 * 2 * MIB)

/* Pages on both sides of the border between the tables. */
#define FIRST  (PT_ENTRIES - 4)
#define MAPPED 8

struct passes {
    unsigned count;
    bool some; /* of those after the first one; else all of them */
};

static void make_passes(void *context)
{
    const struct passes *passes = context;
    struct pt_leaf leaf;

    for (unsigned i = 0; i < passes->count; i++) {
        /* A pass that leaves out a table does not touch what a device touches: this is where it may be
         * delayed. */
        expect(iommu_lookup(rig.domain, rig_page(FIRST), &leaf));
        oracle_prune(rig.oracle, i && (!passes->some || schedule_choose(3)));
        (void)rig_check(oracle_harvest(rig.oracle, rig_page(0), rig_last(PAGES - 1)));
        rcu_quiescent();
    }
    oracle_prune(rig.oracle, false);
}

static void map_used(void)
{
    expect_equal(
        oracle_map(rig.oracle, rig_page(FIRST), rig_last(FIRST + MAPPED - 1), rig.memory, PT_READ | PT_WRITE),
        0);
}

SCENARIO(
    pruned_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
    .what = "three harvests, two of them pruned, beside a device that has walked to a page and writes it")
{
    static const struct unit_config *const modern[] = {&unit_modern};
    static struct passes passes = {.count = 3};
    static struct rig_traffic traffic = {
        .device = 0, .first = FIRST, .pages = 1, .accesses = 2, .kind = RIG_WRITES};

    rig.config.translation = IOMMU_TRANSLATION_SECOND_STAGE;
    rig.config.prune = IOMMU_PRUNE_ON;
    rig_start(modern, 1, IOVA, PAGES);
    map_used();
    expect(device_access(rig_attach(0), rig_page(FIRST), false));
    rig_start_cpu(1, "harvester", make_passes, &passes);
    rig_start_traffic(&traffic);
    rig_run();
    expect_equal(oracle_harvest(rig.oracle, rig_page(0), rig_last(PAGES - 1)), 0);
    rig_finish();
}

SCENARIO(pruned_beside_drivers, .kind = SCENARIO_RANDOM,
         .what =
             "harvests of which some are pruned beside devices that write, a mapper whose tables come and "
             "go, and a device that does, on any units")
{
    static struct passes passes = {.count = 6, .some = true};
    static struct rig_mapper mapper = {.first = PT_ENTRIES, .pages = 6, .operations = 5, .tables = true};
    static struct rig_mover mover = {.device = 1, .operations = 3};
    static struct rig_traffic first = {.device = 0, .first = FIRST, .pages = 4, .accesses = 16, .pause = 80};
    static struct rig_traffic second = {
        .device = 1, .first = FIRST, .pages = 10, .accesses = 16, .pause = 80};

    rig.config.prune = IOMMU_PRUNE_ON;
    rig_start_any(true, IOVA, PAGES);
    expect_equal(
        oracle_map(rig.oracle, rig_page(FIRST), rig_last(PT_ENTRIES - 1), rig.memory, PT_READ | PT_WRITE), 0);
    mapper.tables_iova = rig_page(PT_ENTRIES);
    mapper.tables_last = mapper.tables_iova + 2 * MIB - 1;
    (void)rig_attach(0);
    (void)rig_attach(1);
    rig_start_cpu(1, "harvester", make_passes, &passes);
    rig_start_mapper(2, &mapper);
    rig_start_mover(3, &mover);
    rig_start_traffic(&first);
    rig_start_traffic(&second);
    rig_run();
    rig_finish();
}
