/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves change their size under DMA and beside a harvest, in both stages: no write is lost, and each access
 * goes where it went before. */
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"

/* One leaf of 2 MiB, or 512 of 4 KiB. */
#define PAGES PT_ENTRIES
#define IOVA  0x40000000ull

static const struct unit_config *const modern[] = {&unit_modern};
static uint64_t memory;

static void start(enum iommu_translation translation)
{
    void *pages;

    rig.config.translation = translation;
    rig_start(modern, 1, IOVA, PAGES);
    pages = pages_alloc(PT_ENTRIES_LG2, PAGE_DMA);
    expect(pages);
    memory = virt_to_phys(pages);
}

static void map(unsigned first, unsigned pages)
{
    expect_equal(oracle_map(rig.oracle, rig_page(first), rig_last(first + pages - 1),
                            memory + first * PAGE_SIZE, PT_READ | PT_WRITE),
                 0);
}

static void expect_level(unsigned level)
{
    struct pt_leaf leaf;

    expect(iommu_lookup(rig.domain, rig_page(1), &leaf));
    expect_equal(leaf.level, level);
}

static void split(void *context)
{
    (void)context;
    expect_equal(oracle_split(rig.oracle, rig_page(0), rig_last(PAGES - 1), 0), 0);
    expect_level(0);
}

static void merge(void *context)
{
    (void)context;
    expect_equal(oracle_merge(rig.oracle, rig_page(0), rig_last(PAGES - 1)), 0);
    expect_level(1);
}

static void harvest(void *context)
{
    (void)context;
    expect_equal(oracle_harvest(rig.oracle, rig_page(0), rig_last(PAGES - 1)), 0);
}

/* In halves, so that leaves are small. */
static void map_small(void)
{
    map(0, PAGES / 2);
    map(PAGES / 2, PAGES / 2);
    expect_level(0);
}

/* The device has the translation cached, as one of a dirty leaf or of a clean one. */
static void change_beside(bool written, void (*change)(void *context))
{
    static struct rig_traffic traffic = {
        .device = 0, .first = 1, .pages = 1, .accesses = 2, .kind = RIG_WRITES};

    expect(device_access(rig_attach(0), rig_page(1), written));
    device_drain(&rig.devices[0]);
    rig_start_cpu(1, "changer", change, NULL);
    rig_start_cpu(2, "harvester", harvest, NULL);
    rig_start_traffic(&traffic);
    rig_run();
    harvest(NULL); /* before more is written */
    rig_finish();
}

static void split_beside(enum iommu_translation translation, bool written)
{
    start(translation);
    map(0, PAGES);
    change_beside(written, split);
}

static void merge_beside(enum iommu_translation translation, bool written)
{
    start(translation);
    map_small();
    change_beside(written, merge);
}

SCENARIO(
    split_x_dma_x_harvest, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
    .what = "a dirty leaf of 2 MiB is split while a device writes it and a CPU harvests it (second stage)")
{
    split_beside(IOMMU_TRANSLATION_SECOND_STAGE, true);
}

SCENARIO(split_x_dma_x_harvest_clean, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the same of a leaf that was read only")
{
    split_beside(IOMMU_TRANSLATION_SECOND_STAGE, false);
}

SCENARIO(split_x_dma_x_harvest_first, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the same of a dirty leaf in the first stage")
{
    split_beside(IOMMU_TRANSLATION_FIRST_STAGE, true);
}

SCENARIO(merge_x_dma_x_harvest, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what =
             "leaves of which one is dirty are merged while a device writes it and a CPU harvests (second "
             "stage)")
{
    merge_beside(IOMMU_TRANSLATION_SECOND_STAGE, true);
}

SCENARIO(merge_x_dma_x_harvest_clean, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the same where none is dirty")
{
    merge_beside(IOMMU_TRANSLATION_SECOND_STAGE, false);
}

SCENARIO(merge_x_dma_x_harvest_first, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the same where one is dirty, in the first stage")
{
    merge_beside(IOMMU_TRANSLATION_FIRST_STAGE, true);
}

static void change_to_and_fro(void *context)
{
    for (unsigned i = 0; i < 3; i++) {
        split(context);
        rcu_quiescent();
        merge(context);
        rcu_quiescent();
    }
}

SCENARIO(leaves_change_beside_drivers, .kind = SCENARIO_RANDOM,
         .what =
             "a leaf is split and merged again and again beside the DMA of two devices, harvests of parts of "
             "it, and a mapper next to it, on any units")
{
    static struct rig_mapper mapper = {.first = PAGES, .pages = 6, .operations = 4};
    static struct rig_harvester harvester = {.operations = 4};
    static struct rig_traffic first = {.device = 0, .pages = 8, .accesses = 20, .pause = 80};
    static struct rig_traffic second = {
        .device = 1, .first = PAGES - 4, .pages = 10, .accesses = 12, .pause = 80};
    void *pages;

    rig_start_any(true, IOVA, PAGES + 8);
    pages = pages_alloc(PT_ENTRIES_LG2, PAGE_DMA);
    expect(pages);
    memory = virt_to_phys(pages);
    map(0, PAGES);
    (void)rig_attach(0);
    (void)rig_attach(1);
    rig_start_cpu(1, "changer", change_to_and_fro, NULL);
    rig_start_harvester(2, &harvester);
    rig_start_mapper(3, &mapper);
    rig_start_traffic(&first);
    rig_start_traffic(&second);
    rig_run();
    rig_finish();
}

/* One CPU's part of each pass. What lies above both parts reaches beyond either. */
struct part {
    unsigned first;
};

static void harvest_part(void *context)
{
    const struct part *part = context;
    struct pt_leaf leaf;

    for (unsigned i = 0; i < 5; i++) {
        (void)iommu_lookup(rig.domain, rig_page(part->first), &leaf); /* where it may be delayed */
        (void)rig_check(oracle_harvest(rig.oracle, rig_page(part->first), rig_last(part->first + PAGES - 1)));
        rcu_quiescent();
    }
}

/* In the lower part a leaf is split and merged; in the upper one pages come and go. */
static void change_both_parts(void *context)
{
    const uint64_t iova = rig_page(PAGES), last = rig_last(PAGES + 3);

    for (unsigned i = 0; i < 3; i++) {
        split(context);
        (void)rig_check(oracle_unmap(rig.oracle, iova, last));
        rcu_quiescent();
        merge(context);
        (void)rig_check(oracle_map(rig.oracle, iova, last, rig.memory, PT_READ | PT_WRITE));
        rcu_quiescent();
    }
}

SCENARIO(pruned_parts_beside_drivers, .kind = SCENARIO_RANDOM,
         .what =
             "two CPUs harvest a part of the range each, pruned, while a leaf of the one is split and merged "
             "and pages of the other come and go under the DMA of two devices, on any units")
{
    static struct part lower = {.first = 0}, upper = {.first = PAGES};
    static struct rig_traffic first = {.device = 0, .pages = 3, .accesses = 20, .pause = 80};
    static struct rig_traffic second = {
        .device = 1, .first = PAGES - 2, .pages = 8, .accesses = 16, .pause = 80};
    void *pages;

    rig.config.prune = IOMMU_PRUNE_ON;
    rig_start_any(true, IOVA, 2 * PAGES);
    pages = pages_alloc(PT_ENTRIES_LG2, PAGE_DMA);
    expect(pages);
    memory = virt_to_phys(pages);
    map(0, PAGES);
    expect_equal(oracle_map(rig.oracle, rig_page(PAGES), rig_last(PAGES + 7), rig.memory, PT_READ | PT_WRITE),
                 0);
    (void)rig_attach(0);
    (void)rig_attach(1);
    (void)rig_check(oracle_harvest(rig.oracle, rig_page(0), rig_last(2 * PAGES - 1)));
    oracle_prune(rig.oracle, true);
    rig.pages_go = true;
    rig_start_cpu(1, "lower harvester", harvest_part, &lower);
    rig_start_cpu(2, "changer", change_both_parts, NULL);
    rig_start_cpu(3, "upper harvester", harvest_part, &upper);
    rig_start_traffic(&first);
    rig_start_traffic(&second);
    rig_run();
    oracle_prune(rig.oracle, false);
    rig_finish();
}
