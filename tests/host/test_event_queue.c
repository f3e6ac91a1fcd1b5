/* SPDX-License-Identifier: BSD-2-Clause */
/* Events that wait for their time. */
#include "lib/event_queue.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"

static unsigned order[8], ran;

static void note(unsigned which)
{
    order[ran++] = which;
}

static void run_one(struct platform_event *event)
{
    (void)event;
    note(1);
}

static void run_two(struct platform_event *event)
{
    (void)event;
    note(2);
}

static void run_again(struct platform_event *event)
{
    note(3);
    if (ran < 3)
        platform_event_post(event, NS_PER_MS);
}

static struct platform_event one = {.run = run_one}, two = {.run = run_two}, again = {.run = run_again};

static int setup(void **state)
{
    (void)state;
    ran = 0;
    host_set_time_ns(100 * NS_PER_S);
    return 0;
}

static void wait_ms(uint64_t ms)
{
    host_set_time_ns(platform_time_ns() + ms * NS_PER_MS);
}

static void events_run_in_their_order_when_they_are_due(void **state)
{
    (void)state;
    assert_false(event_queue_run());
    platform_event_post(&two, 5 * NS_PER_MS);
    platform_event_post(&one, 0);
    assert_true(event_queue_due());
    assert_int_equal(host_run_events(), 1);
    assert_int_equal(order[0], 1);
    assert_false(event_queue_due());
    wait_ms(5);
    assert_int_equal(host_run_events(), 1);
    assert_int_equal(order[1], 2);
    platform_event_post(&two, 0);
    platform_event_post(&one, 0);
    assert_int_equal(host_run_events(), 2);
    assert_int_equal(order[2], 2);
    assert_int_equal(order[3], 1);
}

static void an_event_posted_twice_runs_once_at_the_earlier_time(void **state)
{
    (void)state;
    platform_event_post(&one, NS_PER_S);
    platform_event_post(&one, 3 * NS_PER_MS);
    platform_event_post(&one, 2 * NS_PER_S);
    assert_int_equal(host_run_events(), 0);
    wait_ms(3);
    assert_int_equal(host_run_events(), 1);
    wait_ms(3000);
    assert_int_equal(host_run_events(), 0);
}

static void an_event_may_post_itself_again(void **state)
{
    (void)state;
    platform_event_post(&again, 0);
    assert_int_equal(host_run_events(), 1);
    wait_ms(1);
    assert_int_equal(host_run_events(), 1);
    wait_ms(1);
    assert_int_equal(host_run_events(), 1);
    wait_ms(1);
    assert_int_equal(host_run_events(), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(events_run_in_their_order_when_they_are_due, setup),
        cmocka_unit_test_setup(an_event_posted_twice_runs_once_at_the_earlier_time, setup),
        cmocka_unit_test_setup(an_event_may_post_itself_again, setup),
    };

    return cmocka_run_group_tests_name("event queue", tests, NULL, NULL);
}
