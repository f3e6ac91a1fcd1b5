/* SPDX-License-Identifier: BSD-2-Clause */
/* Map and unmap beside DMA: mappers on neighbouring ranges, tables that come and go. */
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"

#define PAGES 16

/* Windows with a boundary of tables in their middle. */
#define AT_2M   (0x40200000ull - PAGES / 2 * PAGE_SIZE)
#define AT_1G   (0x80000000ull - PAGES / 2 * PAGE_SIZE)
#define AT_512G (0x8000000000ull - PAGES / 2 * PAGE_SIZE)

static const uint64_t windows[] = {AT_2M, AT_1G, AT_512G};

SCENARIO(map_unmap_dma, .kind = SCENARIO_RANDOM,
         .what = "two CPUs map and unmap what a device reads and writes: each access goes where its page was "
                 "mapped, or nowhere")
{
    static struct rig_mapper low = {.first = 0, .pages = 5, .operations = 6};
    static struct rig_mapper high = {.first = 5, .pages = PAGES - 5, .operations = 6};
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 24, .pause = 80};

    rig_start_any(false, windows[rig_choose(3)], PAGES);
    (void)rig_attach(0);
    rig_start_mapper(1, &low);
    rig_start_mapper(2, &high);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

SCENARIO(several_units, .kind = SCENARIO_RANDOM,
         .what = "one domain on three units of different kinds, with a device behind each")
{
    const struct unit_config *configs[RIG_UNITS];
    static struct rig_mapper mapper = {.first = 0, .pages = PAGES, .operations = 6};
    static struct rig_traffic traffic[RIG_UNITS];
    unsigned kinds = 0;

    while (unit_configs_first_stage[kinds])
        kinds++;
    for (unsigned i = 0; i < RIG_UNITS; i++)
        configs[i] = unit_configs_first_stage[(rig_choose(kinds) + i) % kinds];
    rig_start(configs, RIG_UNITS, AT_2M, PAGES);
    for (unsigned i = 0; i < RIG_UNITS; i++) {
        (void)rig_attach(i);
        traffic[i] = (struct rig_traffic){.device = i, .pages = PAGES, .accesses = 10, .pause = 80};
        rig_start_traffic(&traffic[i]);
    }
    rig_start_mapper(1, &mapper);
    rig_run();
    rig_finish();
}

SCENARIO(shared_upper_tables, .kind = SCENARIO_RANDOM,
         .what = "three CPUs map neighbouring pages whose tables, all missing at first, they share")
{
    static struct rig_mapper mappers[3] = {
        {.first = 0, .pages = 6, .operations = 3},
        {.first = 6, .pages = 4, .operations = 3},
        {.first = 10, .pages = 6, .operations = 3},
    };
    static struct rig_traffic traffic = {.device = 0, .first = 4, .pages = 8, .accesses = 16, .pause = 80};

    rig_start_any(false, windows[rig_choose(3)], PAGES);
    (void)rig_attach(0);
    for (unsigned i = 0; i < 3; i++)
        rig_start_mapper(1 + i, &mappers[i]);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

SCENARIO(table_freed_and_mapped_again, .kind = SCENARIO_RANDOM,
         .what = "whole tables are unmapped and made again under DMA, a lookup, and a mapper of the table "
                 "beside")
{
    static struct rig_mapper low = {.first = 0, .pages = PAGES / 2, .operations = 8, .tables = true};
    static struct rig_mapper high = {.first = PAGES / 2, .pages = PAGES / 2, .operations = 8, .tables = true};
    static struct rig_traffic traffic = {.device = 0, .first = 4, .pages = 8, .accesses = 24, .pause = 80};
    static struct rig_walker walker = {.operations = 6, .idle = true};
    unsigned boundary = rig_choose(2); /* tables of 2 MiB; or of 1 GiB, with what is below them */
    uint64_t span = boundary ? GIB : 2 * MIB;

    rig_start_any(false, windows[boundary], PAGES);
    (void)rig_attach(0);
    low.tables_last = rig_last(PAGES / 2 - 1);
    low.tables_iova = low.tables_last + 1 - span;
    high.tables_iova = rig_page(PAGES / 2);
    high.tables_last = high.tables_iova + span - 1;
    rig_start_mapper(1, &low);
    rig_start_mapper(2, &high);
    rig_start_walker(3, &walker);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

SCENARIO(read_only_pages, .kind = SCENARIO_RANDOM,
         .what = "what is mapped read-only is read, and not written")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 4, .accesses = 16, .pause = 80};

    rig_start_any(false, AT_2M, PAGES);
    (void)rig_attach(0);
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(1), rig.memory, PT_READ), 0);
    expect_equal(oracle_map(rig.oracle, rig_page(2), rig_last(3), rig.memory, PT_READ | PT_WRITE), 0);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

/* Large leaves: one of 2 MiB beside small ones. */

#define LARGE_PAGES 1024
#define LARGE_IOVA  0x40000000ull

static uint64_t large_memory;

/* The first 2 MiB of the window go to one block of memory or the other. */
static void large_mapper(void *context)
{
    uint64_t last = LARGE_IOVA + 2 * MIB - 1;

    (void)context;
    for (unsigned i = 0; i < 4; i++) {
        expect_equal(
            oracle_map(rig.oracle, LARGE_IOVA, last, large_memory + i % 2 * 2 * MIB, PT_READ | PT_WRITE), 0);
        expect_equal(oracle_unmap(rig.oracle, rig_page(3), rig_last(3)), 0); /* splits it */
        expect_equal(oracle_unmap(rig.oracle, LARGE_IOVA, last), 0);
    }
}

SCENARIO(large_leaves, .kind = SCENARIO_RANDOM,
         .what = "leaves of 2 MiB come and go under DMA, beside small ones and a harvest")
{
    static struct rig_mapper small = {.first = 512, .pages = 6, .operations = 4};
    static struct rig_harvester harvester = {.operations = 1};
    static struct rig_traffic traffic = {.device = 0, .first = 508, .pages = 10, .accesses = 24, .pause = 80};
    void *memory;

    rig_start_any(rig_choose(2), LARGE_IOVA, LARGE_PAGES);
    memory = pages_alloc(10, PAGE_DMA);
    expect(memory);
    large_memory = virt_to_phys(memory);
    (void)rig_attach(0);
    rig_start_cpu(1, "large mapper", large_mapper, NULL);
    rig_start_mapper(2, &small);
    if (rig.tracked)
        rig_start_harvester(3, &harvester);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

/* The queue: 256 slots, so that some hundred batches go round. */

SCENARIO(queue_goes_round, .kind = SCENARIO_RANDOM,
         .what = "three CPUs submit batches to a queue that comes to its end, and begins anew")
{
    static struct rig_mapper mappers[3] = {
        {.first = 0, .pages = 5, .operations = 8},
        {.first = 5, .pages = 6, .operations = 8},
        {.first = 11, .pages = 5, .operations = 8},
    };
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 16, .pause = 80};

    rig_start_any(false, AT_2M, PAGES);
    (void)rig_attach(0);
    for (unsigned i = 0; i < 100 + rig_choose(24); i++) {
        expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(0), rig.memory, PT_READ), 0);
        expect_equal(oracle_unmap(rig.oracle, rig_page(0), rig_last(0)), 0);
    }
    for (unsigned i = 0; i < 3; i++)
        rig_start_mapper(1 + i, &mappers[i]);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}
