/* SPDX-License-Identifier: BSD-2-Clause */
/* Trackers: start, stop and passes, in their order, and what they come to when a source fails. */
#include "tests/host/tracker_fixture.h"

/* --- start and stop --- */

static void sources_start_and_stop_in_order(void **state)
{
    (void)state;
    assert_int_equal(tracker_start(tracker, 1, TRACKER_NONE_DIRTY), 0);
    assert_string_equal(source_calls, "start a, split a, start b, split b, pass a, pass b");
    assert_int_equal(source_a.level, 1);
    assert_int_equal(source_a.last, LAST);
    assert_int_equal(source_a.flags, 0);
    source_calls[0] = 0;
    assert_int_equal(tracker_stop(tracker), 0);
    assert_string_equal(source_calls, "stop b, merge b, stop a, merge a");
}

static void leaves_stay_as_they_are_at_the_top_level(void **state)
{
    (void)state;
    assert_int_equal(tracker_start(tracker, PT_LEAF_LEVEL_MAX, TRACKER_ALL_DIRTY), 0);
    assert_string_equal(source_calls, "start a, start b");
    assert_int_equal(tracker_stop(tracker), 0);
    assert_string_equal(source_calls, "start a, start b, stop b, stop a");
}

static void what_was_dirty_before_is_dropped(void **state)
{
    (void)state;
    source_a.finds = 5 * PAGE_SIZE;
    tracker_begin(TRACKER_NONE_DIRTY);
    assert_int_equal(pages_of_pass(), 0);
    assert_int_equal(source_a.flags, HARVEST_PRUNE | HARVEST_AUDIT);
}

static void everything_is_dirty_at_first(void **state)
{
    (void)state;
    tracker_begin(TRACKER_ALL_DIRTY);
    assert_int_equal(pages_of_pass(), GIBS * GIB / PAGE_SIZE);
    assert_int_equal(source_a.flags, 0); /* no look came before */
    assert_int_equal(pages_of_pass(), 0);
    assert_int_equal(source_a.flags, HARVEST_PRUNE | HARVEST_AUDIT);
}

static void check_start_fails(struct fake_source *fake, enum fake_op op, const char *expected)
{
    struct tracker_info info;

    source_calls[0] = 0;
    fake->fail[op] = ERR_HARDWARE;
    assert_int_equal(tracker_start(tracker, 0, TRACKER_NONE_DIRTY), ERR_HARDWARE);
    assert_string_equal(source_calls, expected);
    assert_null(source_a.unmapped);
    assert_null(source_b.unmapped);
    tracker_info(tracker, &info);
    assert_false(info.tracks);
    assert_int_equal(tracker_pass(tracker, &report, 0, NULL), ERR_INVALID);
    fake->fail[op] = 0;
}

static void a_start_that_fails_is_taken_back(void **state)
{
    (void)state;
    check_start_fails(&source_a, START, "start a");
    check_start_fails(&source_b, START, "start a, split a, start b, stop a, merge a");
    assert_non_null(strstr(host_log(), "track: vm: b cannot be started: "));
    check_start_fails(&source_b, SPLIT,
                      "start a, split a, start b, split b, stop b, merge b, stop a, merge a");
    assert_non_null(strstr(host_log(), "track: vm: b cannot be split: "));
    check_start_fails(&source_a, PASS,
                      "start a, split a, start b, split b, pass a, pass b, stop b, merge b, stop a, merge a");
    assert_int_equal(lines_with("track: vm: a failed in its pass over 0 to "), 1);
    tracker_begin(TRACKER_NONE_DIRTY);
}

static void start_without_memory(void **state)
{
    (void)state;
    host_leave_pages(0);
    assert_int_equal(tracker_start(tracker, 0, TRACKER_NONE_DIRTY), ERR_NOMEM);
    host_release_pages();
    assert_string_equal(source_calls, "");
}

static void a_stop_that_fails_stops_all(void **state)
{
    struct tracker_info info;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    source_b.fail[STOP] = ERR_TIMEOUT;
    source_a.fail[MERGE] = ERR_NOMEM;
    assert_int_equal(tracker_stop(tracker), ERR_TIMEOUT);
    assert_string_equal(source_calls, "stop b, merge b, stop a, merge a");
    assert_non_null(strstr(host_log(), "track: vm: a did not stop as it should: "));
    tracker_info(tracker, &info);
    assert_false(info.tracks);
    assert_int_equal(tracker_stop(tracker), ERR_INVALID);
}

/* --- passes --- */

static void a_pass_reports_what_all_sources_found(void **state)
{
    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    source_a.finds = 7 * PAGE_SIZE;
    source_b.finds = LAST - 100;
    dirty_bitmap_mark(source_a.unmapped, 64 * PAGE_SIZE, 65 * PAGE_SIZE);
    tracker_mark(tracker, 9 * PAGE_SIZE + 5, 9 * PAGE_SIZE + 6);
    assert_int_equal(pages_of_pass(), 5);
    assert_true(is_reported(7 * PAGE_SIZE) && is_reported(LAST) && is_reported(64 * PAGE_SIZE) &&
                is_reported(65 * PAGE_SIZE) && is_reported(9 * PAGE_SIZE));
    assert_int_equal(pages_of_pass(), 0);
}

static void a_report_keeps_what_it_held(void **state)
{
    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    report_words[3] = 1;
    tracker_mark(tracker, 3 * 64 * PAGE_SIZE + PAGE_SIZE, 3 * 64 * PAGE_SIZE + PAGE_SIZE);
    assert_int_equal(tracker_pass(tracker, &report, 0, NULL), 0);
    assert_int_equal(report_words[3], 3);
}

static void a_pass_that_failed_loses_nothing(void **state)
{
    struct tracker_pass failed, next;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    source_a.finds = 7 * PAGE_SIZE;
    source_b.finds = 8 * PAGE_SIZE;
    source_a.fail[PASS] = ERR_TIMEOUT;
    tracker_mark(tracker, 9 * PAGE_SIZE, 9 * PAGE_SIZE);
    assert_int_equal(tracker_pass(tracker, &report, 0, &failed), ERR_TIMEOUT);
    assert_string_equal(source_calls, "pass a, pass b"); /* b is asked all the same */
    assert_true(failed.error == ERR_TIMEOUT && failed.reported == 0 && failed.carried == 3);
    assert_int_equal(report_words[0], 0);
    source_a.fail[PASS] = 0;
    assert_int_equal(tracker_pass(tracker, &report, 0, &next), 0);
    assert_int_equal(report_words[0], 7u << 7);
    assert_true(next.whole && next.reported == 3 && next.carried == 0);
    assert_int_equal(source_a.flags, 0); /* nothing is skipped after a failure */
}

static void a_pass_that_failed_says_who(void **state)
{
    char name[] = "b, whose name is a long one";
    struct tracker_pass failed;
    struct tracker_info info;

    (void)state;
    source_b.source.name = name;
    tracker_begin(TRACKER_NONE_DIRTY);
    source_b.fail[PASS] = ERR_TIMEOUT;
    assert_int_equal(tracker_pass(tracker, &report, 0, &failed), ERR_TIMEOUT);
    assert_string_equal(failed.failed, "b, whose name i");
    assert_true(failed.failed_first == 0 && failed.failed_last == LAST);
    assert_int_equal(lines_with("failed in its pass"), 1);
    source_b.fail[PASS] = 0;
    assert_int_equal(tracker_remove_source(tracker, &source_b.source), 0);
    memset(name, 'x', sizeof name);
    tracker_info(tracker, &info);
    assert_string_equal(info.newest.failed, "b, whose name i");
    assert_int_equal(tracker_pass(tracker, &report, 0, &failed), 0);
    assert_string_equal(failed.failed, "");
    assert_int_equal(lines_with("failed in its pass"), 1);
}

static void fail_with(struct fake_source *fake, int error)
{
    fake->fail[PASS] = error;
    assert_int_equal(tracker_pass(tracker, &report, 0, NULL), error);
}

static void passes_that_fail_alike_say_it_once(void **state)
{
    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    for (unsigned i = 0; i < 3; i++)
        fail_with(&source_b, ERR_TIMEOUT);
    assert_int_equal(lines_with("track: vm: b failed in its pass over 0 to 0xffffffff: no answer in time"),
                     1);
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_MS, NULL), ERR_TIMEOUT);
    assert_int_equal(lines_with("failed in its pass"), 1);
    fail_with(&source_b, ERR_HARDWARE); /* another error */
    assert_int_equal(lines_with("failed in its pass"), 2);
    source_b.fail[PASS] = 0;
    fail_with(&source_a, ERR_HARDWARE); /* another source */
    assert_int_equal(lines_with("track: vm: a failed in its pass"), 1);
    source_a.fail[PASS] = 0;
    assert_int_equal(tracker_pass(tracker, &report, 0, NULL), 0);
    fail_with(&source_a, ERR_HARDWARE); /* it was well meanwhile */
    assert_int_equal(lines_with("track: vm: a failed in its pass"), 2);
}

/* They run from the last one to the first. */
static void of_parts_the_lowest_says_who_failed(void **state)
{
    struct tracker_pass failed;

    (void)state;
    assert_int_equal(tracker_destroy(tracker), 0);
    tracker = tracker_make("vm", GIBS);
    assert_int_equal(tracker_add_source(tracker, &source_a.source), 0);
    assert_int_equal(tracker_add_source(tracker, &source_b.source), 0);
    tracker_begin(TRACKER_NONE_DIRTY);
    source_a.fails_at = 2 * GIB - PAGE_SIZE;
    source_b.fails_at = 2 * GIB;
    assert_int_equal(tracker_pass(tracker, &report, 0, &failed), ERR_HARDWARE);
    assert_string_equal(failed.failed, "a");
    assert_true(failed.failed_first == GIB && failed.failed_last == 2 * GIB - 1);
    assert_int_equal(lines_with("failed in its pass"), 1);
    source_b.fail[PASS] = ERR_TIMEOUT;
    assert_int_equal(tracker_pass(tracker, &report, 0, &failed), ERR_TIMEOUT);
    assert_string_equal(failed.failed, "b");
    assert_true(failed.failed_first == 0 && failed.failed_last == GIB - 1);
    assert_int_equal(lines_with("failed in its pass"), 2);
    source_a.fail[PASS] = ERR_NOMEM; /* before b, in each part */
    assert_int_equal(tracker_pass(tracker, &report, 0, &failed), ERR_NOMEM);
    assert_string_equal(failed.failed, "a");
}

static void a_pass_is_counted(void **state)
{
    struct tracker_pass result;
    struct tracker_info info;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    source_a.pruned = 3;
    host_set_time_ns(NS_PER_S);
    assert_int_equal(tracker_pass(tracker, &report, 0, NULL), 0);
    host_set_time_ns(2 * NS_PER_S);
    source_a.finds = PAGE_SIZE;
    tracker_mark(tracker, 4 * PAGE_SIZE, 6 * PAGE_SIZE - 1);
    tracker_mark(tracker, LAST + 1, LAST + PAGE_SIZE); /* is not covered */
    tracker_mark(tracker, LAST, LAST + PAGE_SIZE);
    assert_int_equal(tracker_pass(tracker, &report, 0, &result), 0);
    host_set_time_ns(0);
    assert_true(result.number == 2 && !result.whole && !result.error && result.sources == 2);
    assert_true(result.found.tables == 20 && result.found.entries == 200 && result.found.dirty == 1);
    assert_true(result.found.pruned == 3 && result.found.invalidation_ns == 10);
    assert_true(result.marked == 3 && result.reported == 4 && result.carried == 0);
    assert_true(result.ns > 0 && result.ns < NS_PER_MS);
    assert_in_range(result.pages_per_s, 3, 4); /* four in about a second */
    tracker_info(tracker, &info);
    assert_true(info.passes == 2 && info.failed == 0 && info.reported == 4 && info.newest.number == 2);
    assert_int_equal(tracker_stop(tracker), 0);
    tracker_begin(TRACKER_NONE_DIRTY);
    tracker_info(tracker, &info);
    assert_true(info.passes == 0 && info.newest.number == 0);
}

static void a_whole_pass_when_it_is_asked_for(void **state)
{
    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    assert_int_equal(tracker_pass(tracker, &report, TRACKER_WHOLE, NULL), 0);
    assert_int_equal(source_a.flags, 0);
}

static void passes_refuse_what_is_wrong(void **state)
{
    struct dirty_bitmap late = {report_words, PAGE_SIZE, LAST}, small = {report_words, 0, LAST - PAGE_SIZE};

    (void)state;
    assert_int_equal(tracker_pass(tracker, &report, 0, NULL), ERR_INVALID); /* nothing is tracked */
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_S, NULL), ERR_INVALID);
    tracker_begin(TRACKER_NONE_DIRTY);
    assert_int_equal(tracker_start(tracker, 0, TRACKER_NONE_DIRTY), ERR_INVALID);
    assert_int_equal(tracker_pass(tracker, &late, 0, NULL), ERR_INVALID);
    assert_int_equal(tracker_pass(tracker, &small, 0, NULL), ERR_INVALID);
    assert_int_equal(tracker_pass(tracker, &report, 2, NULL), ERR_INVALID);
    assert_string_equal(source_calls, "");
    assert_int_equal(tracker_stop(tracker), 0);
    assert_int_equal(tracker_start(tracker, PT_LEAF_LEVEL_MAX + 1, TRACKER_NONE_DIRTY), ERR_INVALID);
}

static void a_pass_in_parts_covers_everything_once(void **state)
{
    struct tracker_pass result;

    (void)state;
    assert_int_equal(tracker_destroy(tracker), 0);
    tracker = tracker_make("vm", 3);
    assert_int_equal(tracker_add_source(tracker, &source_a.source), 0);
    assert_int_equal(tracker_start(tracker, 0, TRACKER_ALL_DIRTY), 0);
    parts_run = 0;
    assert_int_equal(tracker_pass(tracker, &report, 0, &result), 0);
    assert_int_equal(parts_run, 2 * 3); /* looked at, and reported */
    assert_int_equal(result.found.tables, 3 * 10);
    assert_int_equal(result.reported, GIBS * GIB / PAGE_SIZE);
    assert_int_equal(source_a.first, 0); /* the part that came last */
    assert_int_equal(source_a.last, GIB - 1);
    source_a.finds = 2 * GIB - PAGE_SIZE;
    source_a.fail[PASS] = ERR_HARDWARE;
    assert_int_equal(tracker_pass(tracker, &report, 0, &result), ERR_HARDWARE);
    assert_int_equal(result.carried, 1);
}

static void no_more_parts_than_there_are_gibibytes(void **state)
{
    (void)state;
    assert_int_equal(tracker_destroy(tracker), 0);
    tracker = tracker_make("vm", 64);
    assert_int_equal(tracker_resize(tracker, 2 * GIB + PAGE_SIZE - 1), 0);
    assert_int_equal(tracker_add_source(tracker, &source_a.source), 0);
    assert_int_equal(tracker_start(tracker, 0, TRACKER_ALL_DIRTY), 0);
    assert_int_equal(pages_of_pass(), 2 * GIB / PAGE_SIZE + 1);
    assert_int_equal(parts_run, 2 * 3);
}

static void finish_goes_on_until_nothing_is_found(void **state)
{
    struct tracker_pass result;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    source_a.finds = PAGE_SIZE;
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_S, &result), 0);
    assert_int_equal(report_words[0], 2);
    assert_true(result.number == 2 && result.reported == 0 && result.whole);
}

/* A device that nobody stopped. */
static int pass_always_finds(struct tracker_source *source, uint64_t first, uint64_t last,
                             struct dirty_bitmap *bitmap, unsigned flags, struct harvest_stats *stats)
{
    CONTAINER_OF(source, struct fake_source, source)->finds = first;
    dirty_bitmap_mark(bitmap, first, first);
    return fake_source_pass(source, first, last, bitmap, flags, stats);
}

static void finish_is_content_with_guesses(void **state)
{
    struct tracker_source_ops guessing = fake_source_ops;
    struct tracker_pass result;

    (void)state;
    guessing.pass = pass_always_finds;
    source_a.source.ops = &guessing;
    source_a.source.guesses = true;
    tracker_begin(TRACKER_NONE_DIRTY);
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_S, &result), 0);
    assert_true(result.number == 1 && result.guessed && result.reported == 1);
    assert_int_equal(tracker_stop(tracker), 0);
    source_a.source.ops = &fake_source_ops;
}

static void finish_gives_up(void **state)
{
    struct tracker_source_ops busy = fake_source_ops;

    (void)state;
    busy.pass = pass_always_finds;
    source_a.source.ops = &busy;
    tracker_begin(TRACKER_ALL_DIRTY);
    host_set_time_ns(NS_PER_S);
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_MS, NULL), ERR_TIMEOUT);
    source_b.fail[PASS] = ERR_HARDWARE;
    assert_int_equal(tracker_finish(tracker, &report, 10 * NS_PER_US, NULL), ERR_HARDWARE);
    host_set_time_ns(0);
    assert_int_equal(tracker_stop(tracker), 0);
    source_a.source.ops = &fake_source_ops;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRACKER_TEST(sources_start_and_stop_in_order),
        TRACKER_TEST(leaves_stay_as_they_are_at_the_top_level),
        TRACKER_TEST(what_was_dirty_before_is_dropped),
        TRACKER_TEST(everything_is_dirty_at_first),
        TRACKER_TEST(a_start_that_fails_is_taken_back),
        TRACKER_TEST(start_without_memory),
        TRACKER_TEST(a_stop_that_fails_stops_all),
        TRACKER_TEST(a_pass_reports_what_all_sources_found),
        TRACKER_TEST(a_report_keeps_what_it_held),
        TRACKER_TEST(a_pass_that_failed_loses_nothing),
        TRACKER_TEST(a_pass_that_failed_says_who),
        TRACKER_TEST(passes_that_fail_alike_say_it_once),
        TRACKER_TEST(of_parts_the_lowest_says_who_failed),
        TRACKER_TEST(a_pass_is_counted),
        TRACKER_TEST(a_whole_pass_when_it_is_asked_for),
        TRACKER_TEST(passes_refuse_what_is_wrong),
        TRACKER_TEST(a_pass_in_parts_covers_everything_once),
        TRACKER_TEST(no_more_parts_than_there_are_gibibytes),
        TRACKER_TEST(finish_goes_on_until_nothing_is_found),
        TRACKER_TEST(finish_is_content_with_guesses),
        TRACKER_TEST(finish_gives_up),
    };

    host_memory_init(64 * MIB);
    return cmocka_run_group_tests_name("tracker", tests, NULL, NULL);
}
