/* SPDX-License-Identifier: BSD-2-Clause */
/* Dirty tracking beside DMA: no write is lost, whoever maps, unmaps, attaches and detaches meanwhile. */
#include "lib/units.h"
#include "tests/model/scenario_driver.h"

#define PAGES 12
#define IOVA  (0x40200000ull - PAGES / 2 * PAGE_SIZE)

static void map_all(void)
{
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(PAGES - 1), rig.memory, PT_READ | PT_WRITE), 0);
}

SCENARIO(harvest_beside_dma, .kind = SCENARIO_RANDOM,
         .what = "pages are harvested again and again while two devices write")
{
    static struct rig_harvester harvester = {.operations = 6};
    static struct rig_traffic first = {
        .device = 0, .pages = 6, .accesses = 20, .pause = 80, .kind = RIG_WRITES};
    static struct rig_traffic second = {
        .device = 1, .first = 3, .pages = PAGES - 3, .accesses = 20, .pause = 80};

    rig_start_any(true, IOVA, PAGES);
    (void)rig_attach(0);
    (void)rig_attach(1);
    map_all();
    rig_start_harvester(1, &harvester);
    rig_start_traffic(&first);
    rig_start_traffic(&second);
    rig_run();
    rig_finish();
}

SCENARIO(harvest_beside_unmap, .kind = SCENARIO_RANDOM,
         .what = "a harvest meets a mapper: each write is in the bitmap of one of them")
{
    static struct rig_mapper mapper = {.first = 3, .pages = 6, .operations = 8};
    static struct rig_harvester harvester = {.operations = 5};
    static struct rig_traffic traffic = {.device = 0, .first = 2, .pages = 6, .accesses = 24, .pause = 80};

    rig_start_any(true, IOVA, PAGES);
    (void)rig_attach(0);
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(2), rig.memory, PT_READ | PT_WRITE), 0);
    rig_start_mapper(1, &mapper);
    rig_start_harvester(2, &harvester);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

SCENARIO(harvest_beside_freed_tables, .kind = SCENARIO_RANDOM,
         .what = "a harvest walks tables that are being freed, and what was written is in the unmap's bitmap")
{
    static struct rig_mapper mapper = {
        .first = PAGES / 2, .pages = PAGES / 2, .operations = 6, .tables = true};
    static struct rig_harvester harvester = {.operations = 5};
    static struct rig_traffic traffic = {.device = 0, .first = 4, .pages = 6, .accesses = 20, .pause = 80};

    rig_start_any(true, IOVA, PAGES);
    (void)rig_attach(0);
    mapper.tables_iova = rig_page(PAGES / 2);
    mapper.tables_last = mapper.tables_iova + 2 * MIB - 1;
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(PAGES / 2 - 1), rig.memory, PT_READ | PT_WRITE),
                 0);
    rig_start_mapper(1, &mapper);
    rig_start_harvester(2, &harvester);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

SCENARIO(harvest_beside_attach, .kind = SCENARIO_RANDOM,
         .what = "a device comes and goes while another one writes and the pages are harvested")
{
    static struct rig_mover mover = {.device = 1, .operations = 4};
    static struct rig_harvester harvester = {.operations = 5};
    static struct rig_traffic first = {
        .device = 0, .pages = 4, .accesses = 16, .pause = 80, .kind = RIG_WRITES};
    static struct rig_traffic second = {.device = 1, .first = 2, .pages = 4, .accesses = 16, .pause = 80};

    rig_start_any(true, IOVA, PAGES);
    (void)rig_attach(0);
    (void)rig_attach(1);
    map_all();
    rig_start_harvester(1, &harvester);
    rig_start_mover(2, &mover);
    rig_start_traffic(&first);
    rig_start_traffic(&second);
    rig_run();
    rig_finish();
}
