/* SPDX-License-Identifier: BSD-2-Clause */
/* Dirty tracking starts and stops on live units: beside DMA, devices that come and go, and unmaps. Writes
 * that land after a start has returned must be reported, whatever was under way. */
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"
#include <string.h>

#define PAGES 2
#define IOVA  0x40200000ull

static const struct unit_config *const modern[] = {&unit_modern, &unit_modern};

static void map_page(unsigned page, unsigned target)
{
    expect_equal(oracle_map(rig.oracle, rig_page(page), rig_last(page), rig.memory + target * PAGE_SIZE,
                            PT_READ | PT_WRITE),
                 0);
}

static void start_tracking(void *context)
{
    (void)context;
    expect_equal(oracle_track(rig.oracle, IOMMU_TRACKING_DIRTY_BITS), 0);
}

static void stop_tracking(void *context)
{
    (void)context;
    expect_equal(oracle_track(rig.oracle, IOMMU_TRACKING_OFF), 0);
}

static void stop_and_start(void *context)
{
    stop_tracking(context);
    start_tracking(context);
}

/* Two pages on modern units, in the second stage, where entries change. */
static void start(unsigned units, bool tracked)
{
    rig.config.translation = IOMMU_TRANSLATION_SECOND_STAGE;
    rig.starts_untracked = !tracked;
    rig_start(modern, units, IOVA, PAGES);
    map_page(0, 0);
    map_page(1, 1);
}

static bool is_tracked(void)
{
    struct iommu_domain_info info;

    iommu_domain_info(rig.domain, &info);
    return info.tracking != IOMMU_TRACKING_OFF;
}

/* What was written is harvested before the last tries write more. */
static void run(void)
{
    rig_run();
    if (is_tracked())
        expect_equal(oracle_harvest(rig.oracle, rig_page(0), rig_last(PAGES - 1)), 0);
}

static struct rig_traffic one_write = {.device = 0, .pages = 1, .accesses = 1, .kind = RIG_WRITES};
static struct rig_traffic two_writes = {.device = 0, .pages = 1, .accesses = 2, .kind = RIG_WRITES};

/* --- a start beside what is going on --- */

SCENARIO(track_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "tracking starts while a device that knows its translation writes a page")
{
    start(1, false);
    expect(device_access(rig_attach(0), rig_page(0), true)); /* it is cached as what sets no dirty bit */
    device_drain(&rig.devices[0]);
    rig_start_cpu(1, "tracker", start_tracking, NULL);
    rig_start_traffic(&two_writes);
    run();
    rig_finish();
}

static void attach_device_0(void *device)
{
    expect_equal(oracle_attach(rig.oracle, device), 0);
}

/* It writes as soon as it can, and once more in the end. */
static void attach_beside(unsigned units, bool tracked, void (*track)(void *context))
{
    struct device *device;

    start(units, tracked);
    device = rig_attach(0);
    expect_equal(oracle_detach(rig.oracle, device), 0);
    if (units > 1)
        (void)rig_attach(1);
    rig_start_cpu(1, "attacher", attach_device_0, device);
    rig_start_cpu(2, "tracker", track, NULL);
    rig_start_traffic(&two_writes);
    run();
    rig_finish();
}

SCENARIO(attach_x_track, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "tracking starts while the first device of its domain is attached, and writes")
{
    attach_beside(1, false, start_tracking);
}

SCENARIO(attach_x_track_other_unit, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the same where another unit has a device of the domain already")
{
    attach_beside(2, false, start_tracking);
}

SCENARIO(attach_x_stop, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "tracking stops and starts anew while a device is attached, and writes")
{
    attach_beside(1, true, stop_and_start);
}

static void detach_device_0(void *device)
{
    expect_equal(oracle_detach(rig.oracle, device), 0);
    rig.attached[0] = false;
}

static void detach_beside(bool tracked, void (*track)(void *context))
{
    struct device *device;

    start(1, tracked);
    device = rig_attach(0);
    rig_start_cpu(1, "detacher", detach_device_0, device);
    rig_start_cpu(2, "tracker", track, NULL);
    rig_start_traffic(&one_write);
    rig.pages_go = true;
    run();
    expect_equal(oracle_attach(rig.oracle, device), 0);
    rig.attached[0] = true;
    rig_finish();
}

SCENARIO(
    detach_x_track, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
    .what = "tracking starts while the last device of its domain is detached, and its entries' tables go")
{
    detach_beside(false, start_tracking);
}

SCENARIO(detach_x_stop, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "tracking stops while the last device of its domain is detached")
{
    detach_beside(true, stop_tracking);
}

/* --- what is unmapped beside it --- */

static void unmap_page_0(void *context)
{
    (void)context;
    rig.pages_go = true;
    expect_equal(oracle_unmap(rig.oracle, rig_page(0), rig_last(0)), 0);
}

/* No unit has a part in such a start, which could bring the pointer to memory. */
static void start_all_writable(void *context)
{
    (void)context;
    expect_equal(oracle_track(rig.oracle, IOMMU_TRACKING_ALL_WRITABLE), 0);
}

static void unmap_beside_start(void (*track)(void *context))
{
    start(1, false);
    expect(device_access(rig_attach(0), rig_page(0), true));
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "tracker", track, NULL);
    rig_start_traffic(&two_writes);
    run();
    rig_finish();
}

SCENARIO(unmap_x_track, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "tracking starts while a page is unmapped that a device writes: a write after the start is "
                 "reported, though the unmap had begun before")
{
    unmap_beside_start(start_tracking);
}

SCENARIO(unmap_x_track_all, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "the same where all that is mapped writable is to count as written")
{
    unmap_beside_start(start_all_writable);
}

static void take_unmapped(void *context)
{
    (void)context;
    for (unsigned i = 0; i < 3; i++) {
        oracle_take_unmapped(rig.oracle);
        rcu_quiescent();
    }
}

SCENARIO(unmap_x_take, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a page is unmapped that a device writes, while who tracks takes the reports of unmaps and "
                 "copies those pages: the last write is reported after it")
{
    start(1, true);
    expect(device_access(rig_attach(0), rig_page(0), true));
    device_drain(&rig.devices[0]);
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "tracker", take_unmapped, NULL);
    rig_start_traffic(&one_write);
    run();
    rig_finish();
}

/* Their words are pages of their own. */
static struct dirty_bitmap first_bits, second_bits;

static void stop_and_free(void *context)
{
    const struct iommu_track off = {.how = IOMMU_TRACKING_OFF};

    (void)context;
    expect_equal(iommu_domain_track(rig.domain, &off), 0);
    pages_free(first_bits.words);
}

static void change_and_free(void *context)
{
    const struct iommu_track second = {.how = IOMMU_TRACKING_DIRTY_BITS, .unmapped = &second_bits};

    (void)context;
    expect_equal(iommu_domain_track(rig.domain, &second), 0);
    if (bitmap_test(first_bits.words, 0))
        bitmap_set(second_bits.words, 0);
    pages_free(first_bits.words);
}

static struct dirty_bitmap make_bits(void)
{
    struct dirty_bitmap bits = {pages_alloc(0, PAGE_HYPERVISOR), IOVA, IOVA + 2 * MIB - 1};

    expect(bits.words);
    memset(bits.words, 0, PAGE_SIZE);
    return bits;
}

/* The page was written, by a device that has gone. */
static void unmap_beside(void (*change)(void *context))
{
    struct iommu_track first = {.how = IOMMU_TRACKING_DIRTY_BITS, .unmapped = &first_bits};

    rig.config.translation = IOMMU_TRANSLATION_SECOND_STAGE;
    rig.starts_untracked = true;
    rig_start(modern, 1, IOVA, PAGES);
    first_bits = make_bits();
    second_bits = make_bits();
    expect_equal(iommu_domain_track(rig.domain, &first), 0);
    map_page(0, 0);
    expect(device_access(rig_attach(0), rig_page(0), true));
    device_drain(&rig.devices[0]);
    expect_equal(oracle_detach(rig.oracle, &rig.devices[0]), 0);
    rig.attached[0] = false;
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "tracker", change, NULL);
    run();
}

SCENARIO(unmap_x_stop, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "tracking stops while a page is unmapped, and the bitmap for such reports is freed")
{
    unmap_beside(stop_and_free);
    rig_finish();
}

SCENARIO(unmap_x_change, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "reports of unmaps go to another bitmap while a page is unmapped that was written: it is in "
                 "the first one when that is freed, or it is in the second")
{
    unmap_beside(change_and_free);
    expect(bitmap_test(second_bits.words, 0));
    rig_finish();
}

/* Page 1 is mapped, so that this fails, and takes page 0 back. */
static void map_over_page_1(void *context)
{
    (void)context;
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(1), rig.memory, PT_READ | PT_WRITE),
                 ERR_EXISTS);
}

SCENARIO(failed_map_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a map fails half-way, and a device wrote what stood for a moment: that is reported")
{
    start(1, true);
    expect_equal(oracle_unmap(rig.oracle, rig_page(0), rig_last(0)), 0);
    (void)rig_attach(0);
    rig_start_cpu(1, "mapper", map_over_page_1, NULL);
    rig_start_traffic(&two_writes);
    run();
    rig_finish();
}
