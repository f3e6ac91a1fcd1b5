/* SPDX-License-Identifier: BSD-2-Clause */
/* A tracker over the driver: what is copied when a pass has reported it is in the end what is in memory. */
#include "iommu/track_source.h"
#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/history.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"
#include "tests/model/violation.h"
#include <string.h>

/* Few pages from address 0 on, since each word of a tracker's bitmap is a step. */
#define PAGES 2
#define IOVA  (16 * PAGE_SIZE)
#define LARGE (128 * PAGE_SIZE - 1)

static const struct unit_config *const modern[] = {&unit_modern};

static struct {
    struct tracker *tracker;
    struct iommu_track_source source;
    uint64_t words[2];
    struct dirty_bitmap report;
    uint64_t written[PAGES];    /* writes that have landed: the page's content */
    uint64_t copied[PAGES];     /* as it was when it was copied */
    struct device_watch oracle; /* that watches too */
} vm;

static void on_landing(void *context, const struct request *request)
{
    uint64_t page = (request->iova - IOVA) / PAGE_SIZE;

    if (request->write && page < PAGES)
        vm.written[page]++;
    vm.oracle.lands(context, request);
}

static void watch_device(struct device *device)
{
    vm.oracle = device->watch;
    device->watch.lands = on_landing;
}

static void start_tracking(void)
{
    struct tracker_config config = {.name = "vm", .last = rig_last(PAGES - 1)};
    int error;

    vm.report = (struct dirty_bitmap){vm.words, 0, LARGE};
    vm.tracker = tracker_create(&config, &error);
    expect_equal(error, 0);
    iommu_track_source_init(&vm.source, rig.domain, IOMMU_TRACKING_DIRTY_BITS);
    expect_equal(tracker_add_source(vm.tracker, &vm.source.source), 0);
    expect_equal(tracker_start(vm.tracker, 0, TRACKER_NONE_DIRTY), 0);
}

static void copy_reported(void)
{
    for (unsigned page = 0; page < PAGES; page++) {
        if (!bitmap_test(vm.words, IOVA / PAGE_SIZE + page))
            continue;
        sometimes(vm.written[page] != vm.copied[page]);
        vm.copied[page] = vm.written[page];
    }
    memset(vm.words, 0, sizeof vm.words);
}

static void copy_pass_by_pass(void *context)
{
    (void)context;
    for (unsigned pass = 0; pass < 2; pass++) {
        expect_equal(tracker_pass(vm.tracker, &vm.report, 0, NULL), 0);
        copy_reported();
        rcu_quiescent();
    }
}

static void finish(void)
{
    int error;

    /* An unmap beside it may take longer. */
    do
        error = tracker_finish(vm.tracker, &vm.report, NS_PER_S, NULL);
    while (error == ERR_TIMEOUT);
    expect_equal(error, 0);
    copy_reported();
    for (unsigned page = 0; page < PAGES; page++)
        if (vm.copied[page] != vm.written[page])
            violation(VIOLATION_LOST_WRITE, "page %u was written %lu times, and copied after %lu", page,
                      (unsigned long)vm.written[page], (unsigned long)vm.copied[page]);
    expect_equal(tracker_stop(vm.tracker), 0);
    expect_equal(tracker_destroy(vm.tracker), 0);
}

static void unmap_page_0(void *context)
{
    (void)context;
    rig.pages_go = true;
    expect_equal(oracle_unmap(rig.oracle, rig_page(0), rig_last(0)), 0);
}

static void begin(void)
{
    struct device *device;

    rig.starts_untracked = true; /* the tracker starts it */
    rig_start(modern, 1, IOVA, PAGES);
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(PAGES - 1), rig.memory, PT_READ | PT_WRITE), 0);
    device = rig_attach(0);
    watch_device(device);
    start_tracking();
    expect(device_access(device, rig_page(0), true));
    device_drain(device);
}

static void grow_and_copy(void *context)
{
    expect_equal(tracker_resize(vm.tracker, LARGE), 0);
    copy_pass_by_pass(context);
}

/* In this order, each time: one delay has the copier come, and then the device, in the middle of the unmap.
 */

SCENARIO(track_x_unmap_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a VM is copied while a device writes it and a page is unmapped")
{
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 2, .kind = RIG_WRITES};

    begin();
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "copier", copy_pass_by_pass, NULL);
    rig_start_traffic(&traffic);
    rig_run();
    finish();
    rig_finish();
}

static void finish_alone(void *unused)
{
    (void)unused;
    finish();
}

SCENARIO(track_finish_x_unmap, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "a VM has stopped: last passes beside an unmap of what was written lose nothing")
{
    begin();
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "copier", finish_alone, NULL);
    rig_run();
    rig_finish();
}

SCENARIO(track_grows_x_unmap, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a VM grows, and is copied, while a page that was written is unmapped")
{
    begin();
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "copier", grow_and_copy, NULL);
    rig_run();
    finish();
    rig_finish();
}
