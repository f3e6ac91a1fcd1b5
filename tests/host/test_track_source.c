/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain as a source of a tracker: what its device writes is reported, whatever becomes of the mapping. */
#include "iommu/domain.h"
#include "iommu/track_source.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <string.h>

#define GPA  (64 * MIB)
#define LAST (GIB - 1)

static struct iommu_domain *domain;
static struct iommu_track_source source;
static struct tracker *tracker;
static uint64_t words[2 * GIB / PAGE_SIZE / 64];
static struct dirty_bitmap report = {words, 0, 2 * GIB - 1};
static uint64_t dma; /* 4 MiB of memory for devices */

static struct {
    int result;               /* of each invalidation */
    void (*during)(void);     /* what happens meanwhile, once */
    bool keeps_no_dirty_bits; /* as its capabilities say */
} hardware;

static int fake_init(struct iommu_domain *made)
{
    made->pt_ops = &pt_x86_64;
    made->id = 7;
    made->tracks_dirty = !hardware.keeps_no_dirty_bits;
    return pt_init(&made->pt, 3, 7, 39, 0);
}

static void fake_destroy(struct iommu_domain *gone)
{
    pt_destroy(&gone->pt);
}

static int fake_invalidate(struct iommu_domain *of, const struct gather *gather)
{
    void (*during)(void) = hardware.during;

    (void)of;
    (void)gather;
    hardware.during = NULL;
    if (during)
        during();
    return hardware.result;
}

static const struct iommu_domain_ops fake_ops = {
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
    .init = fake_init,
    .destroy = fake_destroy,
    .invalidate = fake_invalidate,
};

static void make(uint64_t last, enum iommu_tracking how)
{
    struct tracker_config config = {.name = "vm", .last = last};
    int error;

    domain = iommu_domain_create_with(&fake_ops, "guest", &error);
    assert_int_equal(error, 0);
    assert_int_equal(iommu_map(domain, GPA, GPA + 2 * MIB - 1, dma, PT_READ | PT_WRITE), 0);
    tracker = tracker_create(&config, &error);
    assert_int_equal(error, 0);
    iommu_track_source_init(&source, domain, how);
    assert_int_equal(tracker_add_source(tracker, &source.source), 0);
}

static int setup(void **state)
{
    (void)state;
    memset(&hardware, 0, sizeof hardware);
    memset(words, 0, sizeof words);
    rcu_cpu_online();
    host_log_clear();
    make(LAST, IOMMU_TRACKING_DIRTY_BITS);
    return 0;
}

static void unmake(void)
{
    struct tracker_info info;

    memset(&hardware, 0, sizeof hardware);
    tracker_info(tracker, &info);
    if (info.tracks)
        assert_int_equal(tracker_stop(tracker), 0);
    assert_int_equal(tracker_destroy(tracker), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
    rcu_barrier();
}

static int teardown(void **state)
{
    (void)state;
    unmake();
    rcu_cpu_offline();
    return 0;
}

static void device_write(unsigned page)
{
    uint64_t hpa;

    assert_true(tree_access(&tree_through_cache, &domain->pt, GPA + page * PAGE_SIZE, true, &hpa));
}

static void start(unsigned level)
{
    assert_int_equal(tracker_start(tracker, level, TRACKER_NONE_DIRTY), 0);
}

static uint64_t pages_of_pass(void)
{
    struct tracker_pass pass;

    memset(words, 0, sizeof words);
    assert_int_equal(tracker_pass(tracker, &report, 0, &pass), 0);
    return pass.reported;
}

static bool is_reported(unsigned page)
{
    return bitmap_test(words, GPA / PAGE_SIZE + page);
}

static unsigned leaf_level(void)
{
    struct pt_leaf leaf;

    assert_true(iommu_lookup(domain, GPA, &leaf));
    return leaf.level;
}

static void leaves_are_split_while_it_tracks(void **state)
{
    (void)state;
    assert_int_equal(leaf_level(), 1);
    device_write(5);
    start(0);
    assert_int_equal(leaf_level(), 0);
    assert_int_equal(pages_of_pass(), 0); /* what was written before is dropped */
    device_write(7);
    assert_int_equal(pages_of_pass(), 1);
    assert_true(is_reported(7));
    assert_int_equal(tracker_stop(tracker), 0);
    assert_int_equal(leaf_level(), 1);
    start(1);
    assert_int_equal(leaf_level(), 1);
    device_write(7);
    assert_int_equal(pages_of_pass(), 512);
}

static void unmaps_report_to_the_tracker(void **state)
{
    (void)state;
    start(0);
    device_write(7);
    assert_int_equal(iommu_unmap(domain, GPA + 6 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL), 0);
    device_write(9);
    assert_int_equal(iommu_unmap(domain, GPA, GPA + 2 * MIB - 1, NULL), 0);
    assert_int_equal(pages_of_pass(), 2);
    assert_true(is_reported(7) && is_reported(9));
}

/* Somebody copies what was reported by then; the device goes on by what it has cached. */
static void pass_meanwhile(void)
{
    assert_int_equal(tracker_pass(tracker, &report, 0, NULL), 0);
}

static void unmaps_report_after_their_invalidation(void **state)
{
    (void)state;
    start(0);
    device_write(7);
    hardware.during = pass_meanwhile;
    assert_int_equal(iommu_unmap(domain, GPA + 7 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(pages_of_pass(), 1);
    assert_true(is_reported(7));
}

static int finished; /* what tracker_finish() said, */
static bool finished_with_7;

static void finish_meanwhile(void)
{
    finished = tracker_finish(tracker, &report, NS_PER_MS, NULL);
    finished_with_7 = is_reported(7);
}

/* Its writers have stopped, and the page is in nothing but the notes of its unmap. */
static void last_passes_wait_for_unmaps_under_way(void **state)
{
    (void)state;
    start(0);
    device_write(7);
    hardware.during = finish_meanwhile;
    assert_int_equal(iommu_unmap(domain, GPA + 7 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(finished, ERR_TIMEOUT);
    assert_false(finished_with_7);
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_S, NULL), 0);
    assert_true(is_reported(7));
}

static uint64_t *page_7; /* its entry, also when its table has been merged */

static void find_page_7(void)
{
    struct tree_leaf leaf;

    assert_true(
        tree_find(tree_format_of(&pt_x86_64), &tree_through_cache, &domain->pt, GPA + 7 * PAGE_SIZE, &leaf));
    page_7 = leaf.slot;
}

/* By the table that a device has cached. */
static void write_late(void)
{
    const struct tree_format *format = tree_format_of(&pt_x86_64);

    *page_7 |= format->accessed | format->dirty;
}

static void write_late_and_finish(void)
{
    write_late();
    finish_meanwhile();
}

/* The write is in nothing but the table that went. */
static void last_passes_wait_for_merges_under_way(void **state)
{
    (void)state;
    start(0);
    find_page_7();
    hardware.during = write_late_and_finish;
    assert_int_equal(iommu_merge(domain, GPA, GPA + 2 * MIB - 1), 0);
    assert_int_equal(finished, ERR_TIMEOUT);
    assert_false(finished_with_7);
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_S, NULL), 0);
    assert_true(is_reported(7));
}

static void merge_meanwhile(void)
{
    hardware.during = write_late;
    assert_int_equal(iommu_merge(domain, GPA, GPA + 2 * MIB - 1), 0);
}

/* All of it is over when the pass ends, but it came after the pass had looked. */
static void a_pass_tells_of_merges_beside_it(void **state)
{
    struct tracker_pass pass;

    (void)state;
    start(0);
    find_page_7();
    device_write(9);
    hardware.during = merge_meanwhile;
    assert_int_equal(tracker_pass(tracker, &report, 0, &pass), 0);
    assert_false(is_reported(7));
    assert_int_equal(pass.found.leaving, 1);
    assert_int_equal(tracker_pass(tracker, &report, 0, &pass), 0);
    assert_true(is_reported(7));
    assert_int_equal(pass.found.leaving, 0);
}

/* The VM ends in the middle of a leaf. */
static void a_leaf_that_reaches_beyond_the_range_is_reported_once(void **state)
{
    (void)state;
    unmake();
    make(GPA + MIB - 1, IOMMU_TRACKING_DIRTY_BITS);
    start(1);
    device_write(7);
    assert_int_equal(pages_of_pass(), MIB / PAGE_SIZE);
    assert_true(is_reported(7));
    assert_int_equal(pages_of_pass(), 0);
    device_write(8);
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_S, NULL), 0);
    assert_true(is_reported(8));
}

/* What is under way may land in its page until somebody confirms that it is over. */
static void passes_fail_while_an_unmap_is_not_confirmed(void **state)
{
    (void)state;
    start(0);
    device_write(7);
    hardware.result = ERR_TIMEOUT;
    assert_int_equal(iommu_unmap(domain, GPA + 7 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL), ERR_TIMEOUT);
    assert_int_equal(tracker_pass(tracker, &report, 0, NULL), ERR_TIMEOUT);
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_MS, NULL), ERR_TIMEOUT);
    assert_false(is_reported(7));
    hardware.result = 0;
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_S, NULL), 0);
    assert_true(is_reported(7));
}

static void unmaps_report_where_the_range_grew(void **state)
{
    (void)state;
    start(0);
    assert_int_equal(tracker_resize(tracker, 2 * GIB - 1), 0);
    device_write(7);
    assert_int_equal(iommu_unmap(domain, GPA, GPA + 2 * MIB - 1, NULL), 0);
    assert_int_equal(pages_of_pass(), 1);
}

static void waste_time(void)
{
    host_set_time_ns(3 * NS_PER_S);
}

static void a_pass_tells_what_invalidations_took(void **state)
{
    struct tracker_pass pass;

    (void)state;
    start(0);
    device_write(7);
    host_set_time_ns(NS_PER_S);
    hardware.during = waste_time;
    assert_int_equal(tracker_pass(tracker, &report, 0, &pass), 0);
    host_set_time_ns(0);
    assert_in_range(pass.found.invalidation_ns, NS_PER_S, pass.ns);
}

static void a_pass_that_is_not_confirmed_comes_with_the_next(void **state)
{
    struct tracker_pass pass;

    (void)state;
    start(0);
    device_write(7);
    hardware.result = ERR_TIMEOUT;
    assert_int_equal(tracker_pass(tracker, &report, 0, &pass), ERR_TIMEOUT);
    assert_int_equal(pass.carried, 1);
    assert_false(is_reported(7));
    hardware.result = 0;
    device_write(8);
    assert_int_equal(pages_of_pass(), 2);
    assert_true(is_reported(7) && is_reported(8));
}

static void a_vm_may_have_more_than_its_tables_translate(void **state)
{
    (void)state;
    unmake();
    make((1ull << 40) - 1, IOMMU_TRACKING_DIRTY_BITS);
    start(0);
    assert_int_equal(tracker_resize(tracker, LAST), 0);
    device_write(7);
    assert_int_equal(pages_of_pass(), 1);
}

static void without_dirty_bits_all_that_is_writable_is(void **state)
{
    struct tracker_pass pass;

    (void)state;
    unmake();
    hardware.keeps_no_dirty_bits = true;
    make(LAST, IOMMU_TRACKING_DIRTY_BITS);
    assert_int_equal(tracker_start(tracker, 0, TRACKER_NONE_DIRTY), ERR_UNSUPPORTED);
    assert_non_null(strstr(host_log(), "track: vm: guest cannot be started: "));
    unmake();
    hardware.keeps_no_dirty_bits = true;
    make(LAST, IOMMU_TRACKING_ALL_WRITABLE);
    start(0);
    assert_int_equal(pages_of_pass(), 512);
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_S, &pass), 0);
    assert_true(pass.guessed && pass.reported == 512);
}

static void a_domain_stays_while_it_is_tracked(void **state)
{
    (void)state;
    start(0);
    assert_int_equal(iommu_domain_destroy(domain), ERR_BUSY);
    assert_non_null(strstr(host_log(), "iommu: domain guest: it is part of a tracker"));
    device_write(7);
    assert_int_equal(pages_of_pass(), 1);
}

static void a_domain_has_one_tracker(void **state)
{
    struct iommu_track track = {.how = IOMMU_TRACKING_DIRTY_BITS};

    (void)state;
    assert_int_equal(iommu_domain_track(domain, &track), 0);
    assert_int_equal(tracker_start(tracker, 0, TRACKER_NONE_DIRTY), ERR_BUSY);
    assert_non_null(strstr(host_log(), "iommu: domain guest: it is tracked by somebody else"));
    track.how = IOMMU_TRACKING_OFF;
    assert_int_equal(iommu_domain_track(domain, &track), 0);
    start(0);
}

/* Who changed how it is tracked would take the tracker's reports of unmaps away. */
static void a_domain_of_a_tracker_is_tracked_by_nobody_else(void **state)
{
    struct iommu_track track = {.how = IOMMU_TRACKING_DIRTY_BITS, .no_pruning = true};

    (void)state;
    start(0);
    assert_int_equal(iommu_domain_track(domain, &track), ERR_BUSY);
    track.how = IOMMU_TRACKING_OFF;
    assert_int_equal(iommu_domain_track(domain, &track), ERR_BUSY);
    assert_non_null(strstr(host_log(), "it is part of a tracker"));
    device_write(7);
    assert_int_equal(iommu_unmap(domain, GPA + 7 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(pages_of_pass(), 1);
    assert_int_equal(tracker_stop(tracker), 0);
    assert_int_equal(iommu_domain_track(domain, &track), 0);
}

/* Another CPU is in iommu_domain_track(). */
static void a_domain_that_is_changing_is_taken_by_no_tracker(void **state)
{
    (void)state;
    domain->tracking.changing = 1;
    assert_int_equal(tracker_start(tracker, 0, TRACKER_NONE_DIRTY), ERR_BUSY);
    domain->tracking.changing = 0;
    start(0);
}

#define TEST_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(leaves_are_split_while_it_tracks),
        TEST_CASE(unmaps_report_to_the_tracker),
        TEST_CASE(unmaps_report_after_their_invalidation),
        TEST_CASE(last_passes_wait_for_unmaps_under_way),
        TEST_CASE(last_passes_wait_for_merges_under_way),
        TEST_CASE(a_pass_tells_of_merges_beside_it),
        TEST_CASE(a_leaf_that_reaches_beyond_the_range_is_reported_once),
        TEST_CASE(passes_fail_while_an_unmap_is_not_confirmed),
        TEST_CASE(unmaps_report_where_the_range_grew),
        TEST_CASE(a_pass_tells_what_invalidations_took),
        TEST_CASE(a_pass_that_is_not_confirmed_comes_with_the_next),
        TEST_CASE(a_vm_may_have_more_than_its_tables_translate),
        TEST_CASE(without_dirty_bits_all_that_is_writable_is),
        TEST_CASE(a_domain_stays_while_it_is_tracked),
        TEST_CASE(a_domain_has_one_tracker),
        TEST_CASE(a_domain_of_a_tracker_is_tracked_by_nobody_else),
        TEST_CASE(a_domain_that_is_changing_is_taken_by_no_tracker),
    };

    host_memory_init(256 * MIB);
    dma = virt_to_phys(pages_alloc(10, PAGE_DMA));
    return cmocka_run_group_tests_name("track_source", tests, NULL, NULL);
}
