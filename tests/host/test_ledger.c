/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's books: what they call reported, missed and extra, one event at a time. */
#include "lib/bitmap.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include "tests/target/ledger.c" /* the hypervisor's tests are no part of the library */

#define PAGES 256u

static struct ledger ledger;
static unsigned started;

static int setup(void **state)
{
    (void)state;
    started = 0;
    return ledger_init(&ledger, PAGES);
}

static int teardown(void **state)
{
    (void)state;
    ledger_destroy(&ledger);
    return 0;
}

static void start(void *context)
{
    (*(unsigned *)context)++;
}

static struct ledger_write submit(uint32_t page)
{
    struct ledger_write write = {.count = 1, .pages = {page}};

    ledger_submit(&ledger, &write, start, &started);
    return write;
}

/* Ends a pass that reports this page, or none if it is PAGES. */
static struct ledger_pass pass_end(uint32_t page)
{
    uint64_t bitmap[PAGES / 64] = {0};
    struct ledger_pass pass;

    if (page < PAGES)
        bitmap_set(bitmap, page);
    ledger_pass_end(&ledger, bitmap, &pass);
    return pass;
}

static struct ledger_pass pass_with(uint32_t page)
{
    ledger_pass_begin(&ledger);
    return pass_end(page);
}

static void assert_pass(struct ledger_pass pass, uint32_t told, uint32_t reported, uint32_t missed,
                        uint32_t extra)
{
    assert_int_equal(pass.told, told);
    assert_int_equal(pass.reported, reported);
    assert_int_equal(pass.missed, missed);
    assert_int_equal(pass.extra, extra);
}

static void reported_write_is_neither(void **state)
{
    struct ledger_write write = submit(77);

    (void)state;
    assert_int_equal(started, 1);
    ledger_complete(&ledger, &write);
    assert_pass(pass_with(77), 1, 1, 0, 0);
    assert_pass(pass_with(PAGES), 0, 0, 0, 0);
}

static void unreported_write_is_missed_once(void **state)
{
    struct ledger_write write = submit(3);

    (void)state;
    ledger_complete(&ledger, &write);
    assert_pass(pass_with(PAGES), 1, 0, 1, 0);
    assert_pass(pass_with(PAGES), 0, 0, 0, 0);
}

static void page_never_written_is_extra(void **state)
{
    (void)state;
    assert_pass(pass_with(9), 0, 1, 0, 1);
}

/* The device translated at once and the data landed later: the pass that cleared the bit counts. */
static void write_may_be_reported_before_it_completes(void **state)
{
    struct ledger_write write = submit(5);

    (void)state;
    assert_pass(pass_with(5), 1, 1, 0, 0);
    ledger_complete(&ledger, &write);
    assert_pass(pass_with(PAGES), 0, 0, 0, 0);
}

/* Submitted while a pass runs, through a translation whose dirty bit the pass has just cleared. */
static void pass_that_ends_after_submission_counts(void **state)
{
    struct ledger_write first = submit(5), second;

    (void)state;
    ledger_complete(&ledger, &first);
    ledger_pass_begin(&ledger);
    second = submit(5);
    ledger_complete(&ledger, &second);
    assert_pass(pass_end(5), 1, 1, 0, 0);
    assert_pass(pass_with(PAGES), 0, 0, 0, 0);
}

static void pass_that_ended_before_submission_does_not_count(void **state)
{
    struct ledger_write first = submit(5), second;

    (void)state;
    ledger_complete(&ledger, &first);
    assert_pass(pass_with(5), 1, 1, 0, 0);
    second = submit(5);
    ledger_complete(&ledger, &second);
    assert_pass(pass_with(PAGES), 1, 0, 1, 0);
}

/* A later write to the page does not hide that an earlier one was missed. */
static void later_write_hides_nothing(void **state)
{
    struct ledger_write first = submit(5), second;

    (void)state;
    ledger_complete(&ledger, &first);
    ledger_pass_begin(&ledger);
    assert_pass(pass_end(PAGES), 1, 0, 1, 0);
    second = submit(5);
    ledger_complete(&ledger, &second);
    assert_pass(pass_with(5), 1, 1, 0, 0);
}

/* Completed while a pass ran, it may have been too late for it; the next one must have it, and the one after
 * must not. */
static void write_beside_a_pass_may_show_in_the_next(void **state)
{
    struct ledger_write write = submit(5);

    (void)state;
    ledger_pass_begin(&ledger);
    ledger_complete(&ledger, &write);
    assert_pass(pass_end(5), 1, 1, 0, 0);
    assert_pass(pass_with(5), 0, 1, 0, 0);
    assert_pass(pass_with(5), 0, 1, 0, 1);
}

static void settled_page_reported_again_is_extra(void **state)
{
    struct ledger_write write = submit(5);

    (void)state;
    ledger_complete(&ledger, &write);
    assert_pass(pass_with(5), 1, 1, 0, 0);
    assert_pass(pass_with(5), 0, 1, 0, 1);
}

static void page_that_a_device_still_has_is_never_extra(void **state)
{
    struct ledger_write write = submit(5);

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_pass(pass_with(5), i == 0, 1, 0, 0);
    ledger_complete(&ledger, &write);
}

static void failed_write_is_not_judged(void **state)
{
    struct ledger_write write = submit(5);
    uint64_t submitted, judged;

    (void)state;
    ledger_fail(&ledger, &write);
    assert_pass(pass_with(PAGES), 1, 0, 0, 0);
    ledger_totals(&ledger, &submitted, &judged);
    assert_int_equal(submitted, 1);
    assert_int_equal(judged, 0);
}

static void pages_told_twice_count_once(void **state)
{
    struct ledger_write write = {.count = 3, .pages = {8, 9, 8}};

    (void)state;
    ledger_submit(&ledger, &write, start, &started);
    ledger_complete(&ledger, &write);
    assert_pass(pass_with(PAGES), 2, 0, 3, 0);
}

static void room_comes_back_with_passes(void **state)
{
    uint32_t room = ledger_room(&ledger);
    struct ledger_write write = submit(1);

    (void)state;
    assert_int_equal(ledger_room(&ledger), room - 1);
    ledger_complete(&ledger, &write);
    assert_int_equal(ledger_room(&ledger), room - 1);
    pass_with(1);
    assert_int_equal(ledger_room(&ledger), room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reported_write_is_neither, setup, teardown),
        cmocka_unit_test_setup_teardown(unreported_write_is_missed_once, setup, teardown),
        cmocka_unit_test_setup_teardown(page_never_written_is_extra, setup, teardown),
        cmocka_unit_test_setup_teardown(write_may_be_reported_before_it_completes, setup, teardown),
        cmocka_unit_test_setup_teardown(pass_that_ends_after_submission_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(pass_that_ended_before_submission_does_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(later_write_hides_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(write_beside_a_pass_may_show_in_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(settled_page_reported_again_is_extra, setup, teardown),
        cmocka_unit_test_setup_teardown(page_that_a_device_still_has_is_never_extra, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_write_is_not_judged, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_told_twice_count_once, setup, teardown),
        cmocka_unit_test_setup_teardown(room_comes_back_with_passes, setup, teardown),
    };

    host_memory_init(16 * MIB);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
