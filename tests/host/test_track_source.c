/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain as a source of a tracker: what its device writes is reported, whatever becomes of the mapping. */
#include "tests/host/source_fixture.h"

static unsigned leaf_level(void)
{
    struct pt_leaf leaf;

    assert_true(iommu_lookup(source_domain, GPA, &leaf));
    return leaf.level;
}

static void leaves_are_split_while_it_tracks(void **state)
{
    (void)state;
    assert_int_equal(leaf_level(), 1);
    source_write(5);
    source_start(0);
    assert_int_equal(leaf_level(), 0);
    assert_int_equal(source_pages_of_pass(), 0); /* what was written before is dropped */
    source_write(7);
    assert_int_equal(source_pages_of_pass(), 1);
    assert_true(source_is_reported(7));
    assert_int_equal(tracker_stop(source_tracker), 0);
    assert_int_equal(leaf_level(), 1);
    source_start(1);
    assert_int_equal(leaf_level(), 1);
    source_write(7);
    assert_int_equal(source_pages_of_pass(), 512);
}

static void unmaps_report_to_the_tracker(void **state)
{
    (void)state;
    source_start(0);
    source_write(7);
    assert_int_equal(iommu_unmap(source_domain, GPA + 6 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL), 0);
    source_write(9);
    assert_int_equal(iommu_unmap(source_domain, GPA, GPA + 2 * MIB - 1, NULL), 0);
    assert_int_equal(source_pages_of_pass(), 2);
    assert_true(source_is_reported(7) && source_is_reported(9));
}

/* Somebody copies what was reported by then; the device goes on by what it has cached. */
static void pass_meanwhile(void)
{
    assert_int_equal(tracker_pass(source_tracker, &source_report, 0, NULL), 0);
}

static void unmaps_report_after_their_invalidation(void **state)
{
    (void)state;
    source_start(0);
    source_write(7);
    source_hardware.during = pass_meanwhile;
    assert_int_equal(iommu_unmap(source_domain, GPA + 7 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(source_pages_of_pass(), 1);
    assert_true(source_is_reported(7));
}

/* The VM ends in the middle of a leaf. */
static void a_leaf_that_reaches_beyond_the_range_is_reported_once(void **state)
{
    (void)state;
    source_unmake();
    source_make(GPA + MIB - 1, IOMMU_TRACKING_DIRTY_BITS);
    source_start(1);
    source_write(7);
    assert_int_equal(source_pages_of_pass(), MIB / PAGE_SIZE);
    assert_true(source_is_reported(7));
    assert_int_equal(source_pages_of_pass(), 0);
    source_write(8);
    assert_int_equal(tracker_finish(source_tracker, &source_report, NS_PER_S, NULL), 0);
    assert_true(source_is_reported(8));
}

static void unmaps_report_where_the_range_grew(void **state)
{
    (void)state;
    source_start(0);
    assert_int_equal(tracker_resize(source_tracker, 2 * GIB - 1), 0);
    source_write(7);
    assert_int_equal(iommu_unmap(source_domain, GPA, GPA + 2 * MIB - 1, NULL), 0);
    assert_int_equal(source_pages_of_pass(), 1);
}

static void waste_time(void)
{
    host_set_time_ns(3 * NS_PER_S);
}

static void a_pass_tells_what_invalidations_took(void **state)
{
    struct tracker_pass pass;

    (void)state;
    source_start(0);
    source_write(7);
    host_set_time_ns(NS_PER_S);
    source_hardware.during = waste_time;
    assert_int_equal(tracker_pass(source_tracker, &source_report, 0, &pass), 0);
    host_set_time_ns(0);
    assert_in_range(pass.found.invalidation_ns, NS_PER_S, pass.ns);
}

static void a_pass_that_is_not_confirmed_comes_with_the_next(void **state)
{
    struct tracker_pass pass;

    (void)state;
    source_start(0);
    source_write(7);
    source_hardware.result = ERR_TIMEOUT;
    assert_int_equal(tracker_pass(source_tracker, &source_report, 0, &pass), ERR_TIMEOUT);
    assert_int_equal(pass.carried, 1);
    assert_false(source_is_reported(7));
    source_hardware.result = 0;
    source_write(8);
    assert_int_equal(source_pages_of_pass(), 2);
    assert_true(source_is_reported(7) && source_is_reported(8));
}

static void a_vm_may_have_more_than_its_tables_translate(void **state)
{
    (void)state;
    source_unmake();
    source_make((1ull << 40) - 1, IOMMU_TRACKING_DIRTY_BITS);
    source_start(0);
    assert_int_equal(tracker_resize(source_tracker, LAST), 0);
    source_write(7);
    assert_int_equal(source_pages_of_pass(), 1);
}

static void without_dirty_bits_all_that_is_writable_is(void **state)
{
    struct tracker_pass pass;

    (void)state;
    source_unmake();
    source_hardware.keeps_no_dirty_bits = true;
    source_make(LAST, IOMMU_TRACKING_DIRTY_BITS);
    assert_int_equal(tracker_start(source_tracker, 0, TRACKER_NONE_DIRTY), ERR_UNSUPPORTED);
    assert_non_null(strstr(host_log(), "track: vm: guest cannot be started: "));
    source_unmake();
    source_hardware.keeps_no_dirty_bits = true;
    source_make(LAST, IOMMU_TRACKING_ALL_WRITABLE);
    source_start(0);
    assert_int_equal(source_pages_of_pass(), 512);
    assert_int_equal(tracker_finish(source_tracker, &source_report, NS_PER_S, &pass), 0);
    assert_true(pass.guessed && pass.reported == 512);
}

static void a_domain_stays_while_it_is_tracked(void **state)
{
    (void)state;
    source_start(0);
    assert_int_equal(iommu_domain_destroy(source_domain), ERR_BUSY);
    assert_non_null(strstr(host_log(), "iommu: domain guest: it is part of a tracker"));
    source_write(7);
    assert_int_equal(source_pages_of_pass(), 1);
}

static void a_domain_has_one_tracker(void **state)
{
    struct iommu_track track = {.how = IOMMU_TRACKING_DIRTY_BITS};

    (void)state;
    assert_int_equal(iommu_domain_track(source_domain, &track), 0);
    assert_int_equal(tracker_start(source_tracker, 0, TRACKER_NONE_DIRTY), ERR_BUSY);
    assert_non_null(strstr(host_log(), "iommu: domain guest: it is tracked by somebody else"));
    track.how = IOMMU_TRACKING_OFF;
    assert_int_equal(iommu_domain_track(source_domain, &track), 0);
    source_start(0);
}

/* Who changed how it is tracked would take the tracker's reports of unmaps away. */
static void a_domain_of_a_tracker_is_tracked_by_nobody_else(void **state)
{
    struct iommu_track track = {.how = IOMMU_TRACKING_DIRTY_BITS, .no_pruning = true};

    (void)state;
    source_start(0);
    assert_int_equal(iommu_domain_track(source_domain, &track), ERR_BUSY);
    track.how = IOMMU_TRACKING_OFF;
    assert_int_equal(iommu_domain_track(source_domain, &track), ERR_BUSY);
    assert_non_null(strstr(host_log(), "it is part of a tracker"));
    source_write(7);
    assert_int_equal(iommu_unmap(source_domain, GPA + 7 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(source_pages_of_pass(), 1);
    assert_int_equal(tracker_stop(source_tracker), 0);
    assert_int_equal(iommu_domain_track(source_domain, &track), 0);
}

/* Another CPU is in iommu_domain_track(). */
static void a_domain_that_is_changing_is_taken_by_no_tracker(void **state)
{
    (void)state;
    source_domain->tracking.changing = 1;
    assert_int_equal(tracker_start(source_tracker, 0, TRACKER_NONE_DIRTY), ERR_BUSY);
    source_domain->tracking.changing = 0;
    source_start(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOURCE_TEST(leaves_are_split_while_it_tracks),
        SOURCE_TEST(unmaps_report_to_the_tracker),
        SOURCE_TEST(unmaps_report_after_their_invalidation),
        SOURCE_TEST(a_leaf_that_reaches_beyond_the_range_is_reported_once),
        SOURCE_TEST(unmaps_report_where_the_range_grew),
        SOURCE_TEST(a_pass_tells_what_invalidations_took),
        SOURCE_TEST(a_pass_that_is_not_confirmed_comes_with_the_next),
        SOURCE_TEST(a_vm_may_have_more_than_its_tables_translate),
        SOURCE_TEST(without_dirty_bits_all_that_is_writable_is),
        SOURCE_TEST(a_domain_stays_while_it_is_tracked),
        SOURCE_TEST(a_domain_has_one_tracker),
        SOURCE_TEST(a_domain_of_a_tracker_is_tracked_by_nobody_else),
        SOURCE_TEST(a_domain_that_is_changing_is_taken_by_no_tracker),
    };

    source_init();
    return cmocka_run_group_tests_name("track_source", tests, NULL, NULL);
}
