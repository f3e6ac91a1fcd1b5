/* SPDX-License-Identifier: BSD-2-Clause */
/* Trackers: what the hypervisor writes, sources that come and go, ranges that grow and shrink. */
#include "tests/host/tracker_fixture.h"

/* --- what the hypervisor writes --- */

static void a_write_is_marked_page_by_page(void **state)
{
    char data[2 * PAGE_SIZE] = {0};

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    assert_int_equal(tracker_write(tracker, 3 * PAGE_SIZE + 4000, data, 96 + PAGE_SIZE + 1), 0);
    assert_int_equal(guest_memory.writes, 3);
    assert_true(guest_memory.gpa == 5 * PAGE_SIZE && guest_memory.bytes == 1);
    assert_int_equal(pages_of_pass(), 3);
    assert_int_equal(report_words[0], 7u << 3);
}

static void a_mark_comes_after_its_write(void **state)
{
    uint64_t value = 42;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    guest_memory.pass_before_write = true;
    assert_int_equal(tracker_write(tracker, PAGE_SIZE, &value, sizeof value), 0);
    assert_int_equal(guest_memory.word, 42);
    assert_int_equal(report_words[0], 0);
    assert_int_equal(pages_of_pass(), 1); /* who copied at that pass has copied the old bytes */
}

static void a_write_that_fails_is_marked(void **state)
{
    uint64_t value = 1;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    guest_memory.error = ERR_NOT_FOUND;
    assert_int_equal(tracker_write(tracker, 2 * PAGE_SIZE - 4, &value, sizeof value), ERR_NOT_FOUND);
    assert_int_equal(guest_memory.writes, 1); /* the second page is not tried */
    assert_int_equal(pages_of_pass(), 1);
}

static void a_write_of_no_bytes_writes_and_marks_nothing(void **state)
{
    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    assert_int_equal(tracker_write(tracker, 0, NULL, 0), 0);
    assert_int_equal(tracker_write(tracker, 5 * PAGE_SIZE + 1, NULL, 0), 0);
    assert_int_equal(tracker_write(tracker, UINT64_MAX, NULL, 0), 0);
    assert_int_equal(guest_memory.writes, 0);
    assert_int_equal(pages_of_pass(), 0);
}

static void writes_that_cannot_be_are_refused(void **state)
{
    struct tracker_config config = {.name = "no writes", .last = LAST};
    uint64_t value = 1;
    int error;
    struct tracker *other = tracker_create(&config, &error);

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    assert_int_equal(tracker_write(tracker, UINT64_MAX - 3, &value, sizeof value), ERR_INVALID);
    assert_int_equal(guest_memory.writes, 0);
    assert_non_null(other);
    assert_int_equal(tracker_write(other, 0, &value, sizeof value), ERR_INVALID);
    assert_int_equal(tracker_write(other, 0, &value, 0), ERR_INVALID);
    assert_int_equal(tracker_destroy(other), 0);
}

static void writes_without_tracking_are_only_writes(void **state)
{
    uint64_t value = 43;

    (void)state;
    assert_int_equal(tracker_write(tracker, 0, &value, sizeof value), 0);
    assert_int_equal(guest_memory.word, 43);
    tracker_begin(TRACKER_NONE_DIRTY);
    assert_int_equal(pages_of_pass(), 0);
}

/* --- sources that come and go --- */

static void a_source_comes_while_it_tracks(void **state)
{
    (void)state;
    assert_int_equal(tracker_remove_source(tracker, &source_b.source), 0);
    assert_int_equal(tracker_remove_source(tracker, &source_b.source), ERR_NOT_FOUND);
    assert_string_equal(source_calls, "");
    tracker_begin(TRACKER_NONE_DIRTY);
    source_b.fail[START] = ERR_UNSUPPORTED;
    assert_int_equal(tracker_add_source(tracker, &source_b.source), ERR_UNSUPPORTED);
    source_b.fail[START] = 0;
    assert_int_equal(tracker_remove_source(tracker, &source_b.source), ERR_NOT_FOUND);
    source_calls[0] = 0;
    assert_int_equal(tracker_add_source(tracker, &source_b.source), 0);
    assert_string_equal(source_calls, "start b, split b");
    assert_int_equal(tracker_add_source(tracker, &source_b.source), ERR_EXISTS);
    source_b.finds = PAGE_SIZE;
    assert_int_equal(pages_of_pass(), 1);
    assert_int_equal(source_a.flags, 0); /* b has not been looked at before */
}

static void what_a_source_that_goes_has_found_stays(void **state)
{
    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    source_b.finds = PAGE_SIZE;
    dirty_bitmap_mark(source_b.unmapped, 0, 0);
    assert_int_equal(tracker_remove_source(tracker, &source_b.source), 0);
    assert_string_equal(source_calls, "pass b, stop b, merge b");
    assert_int_equal(source_b.flags, 0);
    assert_int_equal(pages_of_pass(), 2);
    assert_int_equal(report_words[0], 3);
}

static void of_a_source_that_goes_badly_all_is_dirty(void **state)
{
    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    source_b.fail[PASS] = ERR_TIMEOUT;
    assert_int_equal(tracker_remove_source(tracker, &source_b.source), ERR_TIMEOUT);
    assert_int_equal(lines_with("track: vm: b failed in its pass over 0 to "), 1);
    assert_null(source_b.unmapped);
    assert_int_equal(pages_of_pass(), GIBS * GIB / PAGE_SIZE);
}

/* --- growing and shrinking --- */

static void a_range_grows(void **state)
{
    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    tracker_mark(tracker, LAST, LAST);
    source_a.marks_when_redirected = 5 * PAGE_SIZE;
    assert_int_equal(tracker_resize(tracker, LAST + 64 * MIB), 0);
    assert_string_equal(source_calls, "split a, split b, redirect a, redirect b");
    assert_true(source_a.first == LAST + 1 && source_a.last == LAST + 64 * MIB);
    tracker_mark(tracker, LAST + 64 * MIB, LAST + 64 * MIB);
    assert_int_equal(tracker_pass(tracker, &report, 0, NULL), ERR_INVALID); /* the report is too small */
    report.last = LAST + 64 * MIB;
    assert_int_equal(pages_of_pass(), 3);
    assert_true(is_reported(LAST) && is_reported(5 * PAGE_SIZE) && is_reported(LAST + 64 * MIB));
    assert_int_equal(source_a.flags, 0);
    assert_int_equal(source_a.last, LAST + 64 * MIB);
}

static void what_is_new_is_dirty_where_all_was(void **state)
{
    (void)state;
    tracker_begin(TRACKER_ALL_DIRTY);
    assert_int_equal(pages_of_pass(), GIBS * GIB / PAGE_SIZE);
    report.last = LAST + 64 * MIB;
    assert_int_equal(tracker_resize(tracker, report.last), 0);
    assert_int_equal(pages_of_pass(), 64 * MIB / PAGE_SIZE);
    assert_true(is_reported(LAST + 1) && is_reported(report.last));
}

static void a_range_shrinks(void **state)
{
    uint64_t last = GIB + 3 * PAGE_SIZE - 1;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    tracker_mark(tracker, 0, LAST);
    source_calls[0] = 0;
    assert_int_equal(tracker_resize(tracker, last), 0);
    assert_string_equal(source_calls, "redirect a, redirect b");
    assert_int_equal(pages_of_pass(), GIB / PAGE_SIZE + 3);
    assert_int_equal(source_a.last, last);
    tracker_mark(tracker, last + 1, last + 1);
    dirty_bitmap_mark(source_a.unmapped, last + 1, LAST);
    assert_int_equal(pages_of_pass(), 0);
}

static void a_resize_that_fails_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(tracker_resize(tracker, LAST + 1), ERR_INVALID);
    assert_int_equal(tracker_resize(tracker, UINT64_MAX), ERR_INVALID);
    assert_int_equal(tracker_resize(tracker, 1ull << 46), ERR_INVALID);
    assert_int_equal(tracker_resize(tracker, (1ull << 46) - 1), ERR_RANGE);
    tracker_begin(TRACKER_NONE_DIRTY);
    source_b.fail[SPLIT] = ERR_NOMEM;
    assert_int_equal(tracker_resize(tracker, LAST + MIB), ERR_NOMEM);
    assert_non_null(strstr(host_log(), "track: vm: b cannot be split from 0x100000000 on: "));
    host_leave_pages(0);
    assert_int_equal(tracker_resize(tracker, LAST + MIB), ERR_NOMEM);
    host_release_pages();
    tracker_mark(tracker, LAST, LAST);
    assert_int_equal(pages_of_pass(), 1);
    assert_int_equal(tracker_resize(tracker, LAST), 0); /* it is that already */
}

static void a_range_changes_while_nothing_is_tracked(void **state)
{
    (void)state;
    assert_int_equal(tracker_resize(tracker, GIB - 1), 0);
    assert_string_equal(source_calls, "");
    tracker_begin(TRACKER_ALL_DIRTY);
    assert_int_equal(pages_of_pass(), GIB / PAGE_SIZE);
}

/* --- who may, and what there is --- */

static int refused[5];

static void call_all_of_them(unsigned parts, void (*part)(void *argument, unsigned n), void *argument)
{
    refused[0] = tracker_pass(tracker, &report, 0, NULL);
    refused[1] = tracker_resize(tracker, GIB - 1);
    refused[2] = tracker_stop(tracker);
    refused[3] = tracker_destroy(tracker);
    refused[4] = tracker_add_source(tracker, &source_b.source);
    while (parts--)
        part(argument, parts);
}

static void the_second_who_comes_is_refused(void **state)
{
    struct tracker_config config = {.name = "vm", .last = LAST, .run = call_all_of_them, .parts = 2};
    int error;

    (void)state;
    assert_int_equal(tracker_destroy(tracker), 0);
    tracker = tracker_create(&config, &error);
    assert_int_equal(tracker_start(tracker, 0, TRACKER_NONE_DIRTY), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(refused[i], ERR_BUSY);
    assert_int_equal(tracker_destroy(tracker), ERR_BUSY); /* it tracks */
}

static void creation_is_refused(void **state)
{
    struct tracker_config config = {.name = "vm", .last = LAST};
    int error = 0;

    (void)state;
    assert_null(tracker_create(&config, &error));
    assert_int_equal(error, ERR_EXISTS);
    config.name = "other";
    config.last = LAST - 1;
    assert_null(tracker_create(&config, &error));
    assert_int_equal(error, ERR_INVALID);
    config.last = (1ull << 46) - 1;
    assert_null(tracker_create(&config, &error));
    assert_int_equal(error, ERR_RANGE);
}

static void count_one(void *context, const struct tracker_info *info)
{
    unsigned *count = context;

    ++*count;
    assert_true(!strcmp(info->name, "vm") || !strcmp(info->name, "a-name-too-long"));
}

static void trackers_are_listed(void **state)
{
    struct tracker *other = tracker_make("a-name-too-long-for-it", 0);
    unsigned count = 0;

    (void)state;
    tracker_visit(count_one, &count);
    assert_int_equal(count, 2);
    assert_int_equal(tracker_destroy(other), 0);
    count = 0;
    tracker_visit(count_one, &count);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRACKER_TEST(a_write_is_marked_page_by_page),
        TRACKER_TEST(a_mark_comes_after_its_write),
        TRACKER_TEST(a_write_that_fails_is_marked),
        TRACKER_TEST(a_write_of_no_bytes_writes_and_marks_nothing),
        TRACKER_TEST(writes_that_cannot_be_are_refused),
        TRACKER_TEST(writes_without_tracking_are_only_writes),
        TRACKER_TEST(a_source_comes_while_it_tracks),
        TRACKER_TEST(what_a_source_that_goes_has_found_stays),
        TRACKER_TEST(of_a_source_that_goes_badly_all_is_dirty),
        TRACKER_TEST(a_range_grows),
        TRACKER_TEST(what_is_new_is_dirty_where_all_was),
        TRACKER_TEST(a_range_shrinks),
        TRACKER_TEST(a_resize_that_fails_changes_nothing),
        TRACKER_TEST(a_range_changes_while_nothing_is_tracked),
        TRACKER_TEST(the_second_who_comes_is_refused),
        TRACKER_TEST(creation_is_refused),
        TRACKER_TEST(trackers_are_listed),
    };

    host_memory_init(64 * MIB);
    return cmocka_run_group_tests_name("tracker_change", tests, NULL, NULL);
}
