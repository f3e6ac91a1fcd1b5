/* SPDX-License-Identifier: BSD-2-Clause */
/* What an unmap or a merge of a source has taken out and not told yet: passes say that there is some, last
 * ones wait for it, and it is not lost when the source goes. */
#include "tests/host/source_fixture.h"
#include "tests/host/tree.h"

static int finished; /* what tracker_finish() said, */
static bool finished_with_7;

static void finish_meanwhile(void)
{
    finished = tracker_finish(source_tracker, &source_report, NS_PER_MS, NULL);
    finished_with_7 = source_is_reported(7);
}

/* Its writers have stopped, and the page is in nothing but the notes of its unmap. */
static void last_passes_wait_for_unmaps_under_way(void **state)
{
    (void)state;
    source_start(0);
    source_write(7);
    source_hardware.during = finish_meanwhile;
    assert_int_equal(iommu_unmap(source_domain, GPA + 7 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(finished, ERR_TIMEOUT);
    assert_false(finished_with_7);
    assert_int_equal(tracker_finish(source_tracker, &source_report, NS_PER_S, NULL), 0);
    assert_true(source_is_reported(7));
}

static uint64_t *page_7; /* its entry, also when its table has been merged */

static void find_page_7(void)
{
    struct tree_leaf leaf;

    assert_true(tree_find(tree_format_of(&pt_x86_64), &tree_through_cache, &source_domain->pt,
                          GPA + 7 * PAGE_SIZE, &leaf));
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
    source_start(0);
    find_page_7();
    source_hardware.during = write_late_and_finish;
    assert_int_equal(iommu_merge(source_domain, GPA, GPA + 2 * MIB - 1), 0);
    assert_int_equal(finished, ERR_TIMEOUT);
    assert_false(finished_with_7);
    assert_int_equal(tracker_finish(source_tracker, &source_report, NS_PER_S, NULL), 0);
    assert_true(source_is_reported(7));
}

static void merge_meanwhile(void)
{
    source_hardware.during = write_late;
    assert_int_equal(iommu_merge(source_domain, GPA, GPA + 2 * MIB - 1), 0);
}

/* All of it is over when the pass ends, but it came after the pass had looked. */
static void a_pass_tells_of_merges_beside_it(void **state)
{
    struct tracker_pass pass;

    (void)state;
    source_start(0);
    find_page_7();
    source_write(9);
    source_hardware.during = merge_meanwhile;
    assert_int_equal(tracker_pass(source_tracker, &source_report, 0, &pass), 0);
    assert_false(source_is_reported(7));
    assert_int_equal(pass.found.leaving, 1);
    assert_int_equal(tracker_pass(source_tracker, &source_report, 0, &pass), 0);
    assert_true(source_is_reported(7));
    assert_int_equal(pass.found.leaving, 0);
}

static void unmap_7_unconfirmed(void)
{
    source_start(0);
    source_write(7);
    source_hardware.result = ERR_TIMEOUT;
    assert_int_equal(iommu_unmap(source_domain, GPA + 7 * PAGE_SIZE, GPA + 8 * PAGE_SIZE - 1, NULL),
                     ERR_TIMEOUT);
}

/* What is under way may land in its page until somebody confirms that it is over. */
static void passes_fail_while_an_unmap_is_not_confirmed(void **state)
{
    (void)state;
    unmap_7_unconfirmed();
    assert_int_equal(tracker_pass(source_tracker, &source_report, 0, NULL), ERR_TIMEOUT);
    assert_int_equal(tracker_finish(source_tracker, &source_report, NS_PER_MS, NULL), ERR_TIMEOUT);
    assert_false(source_is_reported(7));
    source_hardware.result = 0;
    assert_int_equal(tracker_finish(source_tracker, &source_report, NS_PER_S, NULL), 0);
    assert_true(source_is_reported(7));
}

/* Somebody else has taken over what that unmap owes, and waits for the invalidation. */
static void last_passes_wait_for_who_confirms_an_unmap(void **state)
{
    (void)state;
    unmap_7_unconfirmed();
    source_hardware.result = 0;
    source_hardware.during = finish_meanwhile;
    assert_int_equal(iommu_domain_release_quarantine(source_domain), 0);
    assert_int_equal(finished, ERR_TIMEOUT);
    assert_int_equal(tracker_finish(source_tracker, &source_report, NS_PER_S, NULL), 0);
    assert_true(source_is_reported(7));
}

static void remove_meanwhile(void)
{
    assert_int_equal(tracker_remove_source(source_tracker, &track_source.source), 0);
}

static void write_late_and_remove(void)
{
    write_late();
    remove_meanwhile();
}

/* Nobody asks the domain any more when its unmap, or its merge, knows what was written. */
static void a_source_may_go_beside_an_unmap_or_a_merge(void **state)
{
    (void)state;
    source_start(PT_LEAF_LEVEL_MAX);
    source_write(7);
    source_hardware.during = remove_meanwhile;
    assert_int_equal(iommu_unmap(source_domain, GPA, GPA + 2 * MIB - 1, NULL), 0);
    assert_int_equal(tracker_finish(source_tracker, &source_report, NS_PER_S, NULL), 0);
    assert_true(source_is_reported(7));
    source_unmake();
    source_make(LAST, IOMMU_TRACKING_DIRTY_BITS);
    assert_int_equal(iommu_split(source_domain, GPA, GPA + 2 * MIB - 1, 0), 0);
    source_start(PT_LEAF_LEVEL_MAX);
    find_page_7();
    source_hardware.during = write_late_and_remove;
    assert_int_equal(iommu_merge(source_domain, GPA, GPA + 2 * MIB - 1), 0);
    memset(source_words, 0, sizeof source_words);
    assert_int_equal(tracker_finish(source_tracker, &source_report, NS_PER_S, NULL), 0);
    assert_true(source_is_reported(7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOURCE_TEST(last_passes_wait_for_unmaps_under_way),
        SOURCE_TEST(last_passes_wait_for_merges_under_way),
        SOURCE_TEST(a_pass_tells_of_merges_beside_it),
        SOURCE_TEST(passes_fail_while_an_unmap_is_not_confirmed),
        SOURCE_TEST(last_passes_wait_for_who_confirms_an_unmap),
        SOURCE_TEST(a_source_may_go_beside_an_unmap_or_a_merge),
    };

    source_init();
    return cmocka_run_group_tests_name("track_leaving", tests, NULL, NULL);
}
