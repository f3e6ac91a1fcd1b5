/* SPDX-License-Identifier: BSD-2-Clause */
/* The small protocols, by every schedule: pages and tables that go while they are used. */
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"

/* The last page of one table, and the first of the next. */
#define PAGES 2
#define IOVA  (0x40200000ull - PAGE_SIZE)

/* Two pages of one table: as long as the second is mapped the table stays. */
#define ONE_TABLE 0x40200000ull

static const struct unit_config *const modern[] = {&unit_modern};
static const struct unit_config *const incoherent[] = {&unit_incoherent};

static void map_page(unsigned page, unsigned target)
{
    expect_equal(oracle_map(rig.oracle, rig_page(page), rig_last(page), rig.memory + target * PAGE_SIZE,
                            PT_READ | PT_WRITE),
                 0);
}

static void unmap_page_0(void *context)
{
    (void)context;
    rig.pages_go = true;
    expect_equal(oracle_unmap(rig.oracle, rig_page(0), rig_last(0)), 0);
}

static void harvest_page_0(void *context)
{
    (void)context;
    expect_equal(oracle_harvest(rig.oracle, rig_page(0), rig_last(0)), 0);
}

SCENARIO(unmap_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a page is unmapped while a device writes it")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 1, .kind = RIG_WRITES};

    rig_start(modern, 1, ONE_TABLE, PAGES);
    (void)rig_attach(0);
    map_page(0, 0);
    map_page(1, 1);
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

SCENARIO(unmap_x_dma_x_harvest, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a page that was written is unmapped and harvested while a device writes it")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 1, .kind = RIG_WRITES};

    rig_start(modern, 1, ONE_TABLE, PAGES);
    map_page(0, 0);
    map_page(1, 1);
    expect(device_access(rig_attach(0), rig_page(0), true));
    device_drain(&rig.devices[0]);
    rig_start_cpu(1, "harvester", harvest_page_0, NULL);
    rig_start_cpu(2, "unmapper", unmap_page_0, NULL);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

SCENARIO(harvest_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a page is harvested while a device that knows its translation writes it twice")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 2, .kind = RIG_WRITES};

    rig_start(modern, 1, IOVA, PAGES);
    map_page(0, 0);
    expect(device_access(rig_attach(0), rig_page(0), true));
    device_drain(&rig.devices[0]);
    rig_start_cpu(1, "harvester", harvest_page_0, NULL);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

/* Two mappers and the tables above both pages, none of which is there. */

static void map_page_0(void *context)
{
    (void)context;
    map_page(0, 0);
    /* It is mapped whoever made the tables. */
    expect(device_access(&rig.devices[0], rig_page(0), true));
}

static void map_page_1(void *context)
{
    (void)context;
    map_page(1, 1);
    expect(device_access(&rig.devices[0], rig_page(1), false));
}

static void both_map(const struct unit_config *const *configs)
{
    rig_start(configs, 1, IOVA, PAGES);
    (void)rig_attach(0);
    rig_start_cpu(1, "mapper 0", map_page_0, NULL);
    rig_start_cpu(2, "mapper 1", map_page_1, NULL);
    rig_run();
    rig_finish();
}

SCENARIO(map_x_map, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "two CPUs map neighbouring pages and need the same missing tables")
{
    both_map(modern);
}

SCENARIO(map_x_map_incoherent, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "the same on a unit that sees only what was flushed, whoever was to flush it")
{
    both_map(incoherent);
}

/* The table of page 1 goes as a whole. */

static void unmap_table_and_map_again(void *context)
{
    (void)context;
    expect_equal(oracle_unmap(rig.oracle, rig_page(1), rig_page(1) + 2 * MIB - 1), 0);
    map_page(1, 2);
}

static void table_goes(const struct unit_config *const *configs)
{
    rig_start(configs, 1, IOVA, PAGES);
    (void)rig_attach(0);
    map_page(1, 1);
    expect(device_access(&rig.devices[0], rig_page(1), false));
    rig_start_cpu(1, "unmapper", unmap_table_and_map_again, NULL);
    rig_start_cpu(2, "neighbour", map_page_0, NULL);
    rig_run();
    rig_finish();
}

SCENARIO(table_freed_x_map, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "a table is unmapped as a whole and made again while a CPU maps beside it")
{
    table_goes(modern);
}

SCENARIO(table_freed_x_map_incoherent, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the same on a unit that sees only what was flushed")
{
    table_goes(incoherent);
}

SCENARIO(table_freed_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a table is unmapped as a whole and made again while a device reads through it")
{
    static struct rig_traffic traffic = {
        .device = 0, .first = 1, .pages = 1, .accesses = 2, .kind = RIG_READS};

    rig_start(modern, 1, IOVA, PAGES);
    map_page(1, 1);
    expect(device_access(rig_attach(0), rig_page(1), false));
    rig_start_cpu(1, "unmapper", unmap_table_and_map_again, NULL);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

/* The table of page 1 becomes empty. A unit goes on through it until it is told, so whoever maps there in the
 * meantime must not find its place free too early. */

static void unmap_page_1(void *context)
{
    (void)context;
    expect_equal(oracle_unmap(rig.oracle, rig_page(1), rig_last(1)), 0);
}

static void map_page_2(void *context)
{
    (void)context;
    map_page(2, 2);
}

static void table_empties(const struct unit_config *const *configs)
{
    static struct rig_traffic traffic = {
        .device = 0, .first = 2, .pages = 1, .accesses = 2, .kind = RIG_READS};

    rig_start(configs, 1, IOVA, PAGES + 1);
    map_page(1, 1);
    expect(device_access(rig_attach(0), rig_page(1), false));
    rig_start_cpu(1, "unmapper", unmap_page_1, NULL);
    rig_start_cpu(2, "neighbour", map_page_2, NULL);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

SCENARIO(table_emptied_x_map, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the last page of a table is unmapped while a CPU maps another one there, and it is read")
{
    table_empties(modern);
}

/* Software that walks, and what it walks through. Nothing is made again, where another table could come to
 * lie and look right. */

static void unmap_table(void *context)
{
    (void)context;
    expect_equal(oracle_unmap(rig.oracle, rig_page(1), rig_page(1) + 2 * MIB - 1), 0);
    rcu_barrier(); /* it is freed as soon as it may be, not when all is over */
}

static void table_goes_from_under(const char *name, void (*walk)(void *context))
{
    rig_start(modern, 1, IOVA, PAGES);
    map_page(1, 1);
    rig_start_cpu(1, name, walk, NULL);
    rig_start_cpu(2, "unmapper", unmap_table, NULL);
    rig_run();
    rig_finish();
}

static void look_up_page_1(void *context)
{
    struct pt_leaf leaf;

    (void)context;
    if (iommu_lookup(rig.domain, rig_page(1), &leaf))
        expect_equal(leaf.hpa, rig.memory + PAGE_SIZE);
}

SCENARIO(table_freed_x_lookup, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a table is unmapped as a whole and freed while a CPU looks up a page in it")
{
    table_goes_from_under("walker", look_up_page_1);
}

static void harvest_page_1(void *context)
{
    (void)context;
    expect_equal(oracle_harvest(rig.oracle, rig_page(1), rig_last(1)), 0);
}

SCENARIO(table_freed_x_harvest, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a table is unmapped as a whole and freed while a CPU harvests it")
{
    table_goes_from_under("harvester", harvest_page_1);
}

static void count_leaves(void *context)
{
    uint64_t leaves[PT_LEAF_LEVELS];

    (void)context;
    iommu_domain_count(rig.domain, leaves);
    expect(leaves[0] <= 1 && !leaves[1] && !leaves[2]);
}

SCENARIO(table_freed_x_count, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "a table is unmapped as a whole and freed while a CPU counts what is in it")
{
    table_goes_from_under("counter", count_leaves);
}

/* Pages of one large leaf that belong to two callers: one of them splits it, and invalidates it as a whole,
 * which the other one must not take for done. */

static void unmap_page_1_of_leaf(void *context)
{
    (void)context;
    expect_equal(oracle_unmap(rig.oracle, rig_page(1), rig_last(1)), 0);
}

static void unmap_page_0_of_leaf(void *context)
{
    (void)context;
    expect_equal(oracle_unmap(rig.oracle, rig_page(0), rig_last(0)), 0);
}

static void harvest_page_1_of_leaf(void *context)
{
    (void)context;
    expect_equal(oracle_harvest(rig.oracle, rig_page(1), rig_last(1)), 0);
}

static void leaf_is_shared(const struct unit_config *const *configs, const char *name,
                           void (*second)(void *context))
{
    static struct rig_traffic traffic = {
        .device = 0, .first = 1, .pages = 1, .accesses = 1, .kind = RIG_WRITES};
    void *memory;

    rig_start(configs, 1, 0x40000000ull, PT_ENTRIES);
    memory = pages_alloc(PT_ENTRIES_LG2, PAGE_DMA);
    expect(memory);
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(PT_ENTRIES - 1), virt_to_phys(memory),
                            PT_READ | PT_WRITE),
                 0);
    expect(device_access(rig_attach(0), rig_page(1), true));
    device_drain(&rig.devices[0]);
    rig.pages_go = second == unmap_page_1_of_leaf;
    rig_start_cpu(1, "unmapper", unmap_page_0_of_leaf, NULL);
    rig_start_cpu(2, name, second, NULL);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

/* It takes two deviations to find what can go wrong here, and to go through all of those takes more than six
 * minutes (--deviations 2); tests/mutants/run does it for drivers that are wrong. */

SCENARIO(split_x_unmap, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "two CPUs unmap a page each of one large leaf that a device writes")
{
    leaf_is_shared(modern, "second unmapper", unmap_page_1_of_leaf);
}

SCENARIO(split_x_unmap_incoherent, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the same on a unit that sees only what was flushed")
{
    leaf_is_shared(incoherent, "second unmapper", unmap_page_1_of_leaf);
}

SCENARIO(
    split_x_harvest, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
    .what = "a CPU unmaps a page of a large leaf while another harvests the next one, and a device writes it")
{
    leaf_is_shared(modern, "harvester", harvest_page_1_of_leaf);
}
