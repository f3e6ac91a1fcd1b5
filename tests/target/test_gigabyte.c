/* SPDX-License-Identifier: BSD-2-Clause */
/* A leaf of 1 GiB becomes 262,144 of 4 KiB, and one again, while a device writes through it. */
#include "arch/cpu/event.h"
#include "iommu/track_source.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/tap.h"
#include "lib/tracker.h"
#include "lib/tracker_bitmap.h"
#include "lib/units.h"
#include "tests/target/edu_bench.h"
#include <string.h>

/* Memory in one piece of that size is likely above 4 GiB, and so it is above in both. */
#define IOVA       (5 * GIB)
#define LAST       (IOVA + GIB - 1)
#define PAGES      (GIB / PAGE_SIZE)
#define PAGE_OF(n) (IOVA + (n)*PAGE_SIZE)
#define WAIT_NS    (10 * NS_PER_S)

struct gigabyte {
    struct edu_bench bench;
    struct iommu_track_source source;
    struct tracker *tracker;
    struct tracker_bitmap *report;
    struct tracker_pass pass; /* the newest */
    char *memory;
};

static unsigned leaf_level(const struct gigabyte *vm)
{
    struct pt_leaf leaf = {.level = PT_LEAF_LEVELS};

    (void)!iommu_lookup(vm->bench.domain, PAGE_OF(PAGES / 2), &leaf);
    return leaf.level;
}

static bool is_reported(const struct gigabyte *vm, uint64_t page)
{
    return bitmap_test(vm->report->pages.words, PAGE_OF(page) / PAGE_SIZE);
}

/* edu is told to write a page, and while it is at that, some 0.1 s, leaves change. */
static void write_beside(struct gigabyte *vm, uint64_t page, int (*change)(struct gigabyte *vm),
                         const char *what)
{
    char *written = vm->memory + page * PAGE_SIZE;
    int error;

    memset(written, 0, PAGE_SIZE);
    error = edu_write_start(&vm->bench.edu, PAGE_OF(page), PAGE_SIZE);
    if (!error)
        error = change(vm);
    if (!error && !wait_until((event_step(), !edu_busy(&vm->bench.edu)), WAIT_NS))
        error = ERR_TIMEOUT;
    tap_ok(!error && edu_bench_is_pattern(&vm->bench, written, PAGE_SIZE),
           "%s beside a write, which lands (%s)", what, error_text(error));
}

static int start_small(struct gigabyte *vm)
{
    return tracker_start(vm->tracker, 0, TRACKER_NONE_DIRTY);
}

static int stop(struct gigabyte *vm)
{
    return tracker_stop(vm->tracker);
}

static void check_report(struct gigabyte *vm, uint64_t page, uint64_t pages)
{
    int error = edu_write(&vm->bench.edu, PAGE_OF(page), PAGE_SIZE);

    tracker_bitmap_clear(vm->report);
    if (!error)
        error = tracker_finish(vm->tracker, &vm->report->pages, WAIT_NS, &vm->pass);
    tap_ok(!error && is_reported(vm, page) && tracker_bitmap_count(vm->report) == pages,
           "a write reports its leaf of %llu pages: %llu (%s)", (unsigned long long)pages,
           (unsigned long long)tracker_bitmap_count(vm->report), error_text(error));
}

static void drop_report(struct gigabyte *vm)
{
    int error = tracker_finish(vm->tracker, &vm->report->pages, WAIT_NS, NULL);

    if (error)
        tap_ok(false, "passes: %s", error_text(error));
}

static void check_leaves(struct gigabyte *vm)
{
    write_beside(vm, 77, start_small, "split");
    tap_ok(leaf_level(vm) == 0, "leaves are of 4 KiB (level %u)", leaf_level(vm));
    drop_report(vm); /* that page, or not: it was written beside the start */
    check_report(vm, PAGES - 1, 1);
    write_beside(vm, 99, stop, "merge");
    tap_ok(leaf_level(vm) == 2, "the leaf is of 1 GiB again (level %u)", leaf_level(vm));
    if (tap_ok(!tracker_start(vm->tracker, 2, TRACKER_NONE_DIRTY), "tracking starts as it is"))
        check_report(vm, PAGES / 2, PAGES);
    tap_ok(leaf_level(vm) == 2 && !tracker_stop(vm->tracker), "and stops so (level %u)", leaf_level(vm));
}

static int make_tracker(struct gigabyte *vm)
{
    struct tracker_config config = {.name = "gigabyte", .last = LAST};
    int error;

    vm->report = tracker_bitmap_create(LAST);
    vm->tracker = vm->report ? tracker_create(&config, &error) : NULL;
    if (!vm->tracker)
        return vm->report ? error : ERR_NOMEM;
    iommu_track_source_init(&vm->source, vm->bench.domain, IOMMU_TRACKING_DIRTY_BITS);
    return tracker_add_source(vm->tracker, &vm->source.source);
}

static void run(struct gigabyte *vm)
{
    int error = iommu_map(vm->bench.domain, IOVA, LAST, virt_to_phys(vm->memory), PT_READ | PT_WRITE);

    if (!tap_ok(!error, "map 1 GiB (%s)", error_text(error)))
        return;
    error = make_tracker(vm);
    if (error)
        tap_ok(false, "a tracker: %s", error_text(error));
    else if (leaf_level(vm) < 2)
        tap_skip("the unit has no leaves of %llu KiB", (unsigned long long)(GIB / KIB));
    else
        check_leaves(vm);
    error = vm->tracker ? tracker_destroy(vm->tracker) : 0;
    tracker_bitmap_destroy(vm->report);
    if (!error)
        error = iommu_unmap(vm->bench.domain, IOVA, LAST, NULL);
    tap_ok(!error, "unmap it (%s)", error_text(error));
}

TEST(gigabyte_tracked)
{
    struct gigabyte vm = {.tracker = NULL};
    struct iommu_domain_info info;

    if (!edu_bench_open(&vm.bench))
        return;
    iommu_domain_info(vm.bench.domain, &info);
    vm.memory = info.tracks_dirty ? pages_alloc(2 * PT_ENTRIES_LG2, PAGE_DMA) : NULL;
    if (!info.tracks_dirty)
        tap_skip("the units keep no dirty bits");
    else if (!vm.memory)
        tap_skip("no %llu KiB of memory in one piece", (unsigned long long)(GIB / KIB));
    else
        run(&vm);
    if (vm.memory)
        pages_free(vm.memory);
    edu_bench_close(&vm.bench);
}
