/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU: with nobody waiting nobody does anything; who is waited for is asked once; who does not come is named.
 */
#include "lib/units.h"
#include "tests/host/rcu_fixture.h"
#include <stdio.h>
#include <string.h>

static struct rcu_stats stats_now(void)
{
    struct rcu_stats stats;

    rcu_stats(&stats);
    return stats;
}

static void with_nobody_waiting_nobody_does_anything(void **state)
{
    struct rcu_stats before, after;

    (void)state;
    all_pass();
    before = stats_now();
    for (unsigned i = 0; i < 100000; i++)
        all_pass();
    for (unsigned i = 0; i < 1000; i++)
        for (unsigned cpu = 0; cpu < CPUS; cpu++) {
            host_set_cpu(cpu);
            rcu_safe_point();
            assert_true(rcu_extended_enter());
            rcu_extended_exit();
        }
    host_set_cpu(0);
    after = stats_now();
    assert_memory_equal(&before, &after, sizeof(before));
}

static void a_grace_period_costs_each_cpu_one_report(void **state)
{
    struct rcu_stats before, after;
    uint64_t rcu_state;

    (void)state;
    all_pass();
    before = stats_now();
    rcu_state = rcu_get_state();
    for (unsigned i = 0; i < 100; i++)
        all_pass();
    assert_true(rcu_poll(rcu_state));
    after = stats_now();
    assert_int_equal(after.grace_periods - before.grace_periods, 1);
    assert_int_equal(after.reports - before.reports, CPUS);
    assert_int_equal(after.nudges, before.nudges);
}

static void an_extended_cpu_takes_no_part_in_grace_periods(void **state)
{
    struct rcu_stats before, after;

    (void)state;
    all_pass();
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        host_set_cpu(cpu);
        assert_true(rcu_extended_enter());
    }
    host_set_cpu(0);
    before = stats_now();
    for (unsigned i = 0; i < 100; i++)
        synchronize_rcu_expedited();
    after = stats_now();
    assert_int_equal(after.grace_periods - before.grace_periods, 100);
    assert_int_equal(after.reports - before.reports, 100); /* CPU 0's own */
    assert_int_equal(after.nudges, before.nudges);
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        host_set_cpu(cpu);
        rcu_extended_exit();
    }
    host_set_cpu(0);
}

static void polling_starts_nothing(void **state)
{
    struct rcu_stats before;
    uint64_t rcu_state = rcu_get_state();

    (void)state;
    before = stats_now();
    for (unsigned i = 0; i < 1000; i++)
        assert_false(rcu_poll(rcu_state));
    assert_int_equal(stats_now().grace_periods, before.grace_periods);
    all_pass();
    assert_true(rcu_poll(rcu_state));
    assert_true(rcu_poll(rcu_state));
}

static void one_grace_period_serves_all_who_asked_before(void **state)
{
    uint64_t first = rcu_get_state(), second = rcu_get_state();

    (void)state;
    all_pass();
    assert_true(rcu_poll(first));
    assert_true(rcu_poll(second));
}

static void a_safe_point_reports_only_when_asked(void **state)
{
    uint64_t rcu_state = rcu_get_state();

    (void)state;
    for (unsigned cpu = 0; cpu < 3; cpu++)
        quiescent_on(cpu);
    host_set_cpu(3);
    rcu_safe_point();
    assert_false(rcu_poll(rcu_state));
    host_set_cpu(0);
    rcu_expedite(rcu_state);
    assert_false(rcu_poll(rcu_state)); /* asking is not all */
    host_set_cpu(3);
    rcu_safe_point();
    host_set_cpu(0);
    assert_true(rcu_poll(rcu_state));
}

static void only_who_is_waited_for_is_asked(void **state)
{
    struct rcu_stats before = stats_now();
    uint64_t rcu_state = rcu_get_state();

    (void)state;
    for (unsigned cpu = 0; cpu < 3; cpu++)
        quiescent_on(cpu);
    rcu_expedite(rcu_state);
    assert_int_equal(stats_now().nudges - before.nudges, 1);
    quiescent_on(3);
    rcu_expedite(rcu_state);
    assert_int_equal(stats_now().nudges - before.nudges, 1);
}

/* Stalls: CPU 2 holds everybody up, until so many turns of the waiting loop have passed. */
static unsigned turns_left;

static void all_but_2_pass(void)
{
    quiescent_on(1);
    quiescent_on(3);
    if (--turns_left == 0)
        quiescent_on(2);
}

static unsigned lines_of(const char *log, const char *words)
{
    unsigned count = 0;

    for (const char *at = log; (at = strstr(at, words)); at++)
        count++;
    return count;
}

static void wait_for_a_stalled_cpu(unsigned turns)
{
    turns_left = turns;
    host_set_relax(all_but_2_pass);
    synchronize_rcu();
}

#define STALL_NS (1 * NS_PER_MS)

static void begin_stalls(void)
{
    host_log_clear();
    host_set_time_ns(1 * NS_PER_S); /* each look at the clock is a microsecond */
    rcu_set_stall_ns(STALL_NS);
}

static void a_stall_is_named_once(void **state)
{
    struct rcu_stats before = stats_now();

    (void)state;
    begin_stalls();
    wait_for_a_stalled_cpu(20000); /* twenty times as long as it takes to be named */
    assert_int_equal(stats_now().stalls - before.stalls, 1);
    assert_int_equal(lines_of(host_log(), "rcu: "), 1);
    assert_non_null(
        strstr(host_log(), "rcu: cpu 2 has not been in a quiescent state for 1 ms; it is at 0x1002"));
}

static void the_next_stall_is_named_again(void **state)
{
    struct rcu_stats before = stats_now();

    (void)state;
    begin_stalls();
    wait_for_a_stalled_cpu(5000);
    wait_for_a_stalled_cpu(5000);
    assert_int_equal(stats_now().stalls - before.stalls, 2);
    assert_int_equal(lines_of(host_log(), "rcu: cpu 2 "), 2);
}

static void who_comes_in_time_is_not_named(void **state)
{
    struct rcu_stats before = stats_now();

    (void)state;
    begin_stalls();
    wait_for_a_stalled_cpu(100);
    assert_int_equal(stats_now().stalls, before.stalls);
    assert_int_equal(lines_of(host_log(), "rcu: "), 0);
}

static void never_means_never(void **state)
{
    struct rcu_stats before = stats_now();

    (void)state;
    begin_stalls();
    rcu_set_stall_ns(0);
    wait_for_a_stalled_cpu(20000);
    assert_int_equal(stats_now().stalls, before.stalls);
}

static void a_callback_that_waits_too_long_names_the_cpu_too(void **state)
{
    struct counted callback = {.runs = 0};
    struct rcu_stats before = stats_now();

    (void)state;
    begin_stalls();
    call_rcu(&callback.head, count_run);
    turns_left = ~0u;
    for (unsigned i = 0; i < 3000000 && stats_now().stalls == before.stalls; i++)
        rcu_quiescent(); /* CPUs 1 to 3 stay away */
    assert_int_equal(stats_now().stalls - before.stalls, 3);
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        char words[32];

        snprintf(words, sizeof(words), "it is at %#x\n", 0x1000 + cpu);
        assert_int_equal(lines_of(host_log(), words), 1);
    }
    all_pass();
    all_pass();
    assert_int_equal(callback.runs, 1);
}

#define TEST_CASE(name) cmocka_unit_test_setup_teardown(name, all_online, all_offline)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(with_nobody_waiting_nobody_does_anything),
        TEST_CASE(a_grace_period_costs_each_cpu_one_report),
        TEST_CASE(an_extended_cpu_takes_no_part_in_grace_periods),
        TEST_CASE(polling_starts_nothing),
        TEST_CASE(one_grace_period_serves_all_who_asked_before),
        TEST_CASE(a_safe_point_reports_only_when_asked),
        TEST_CASE(only_who_is_waited_for_is_asked),
        TEST_CASE(a_stall_is_named_once),
        TEST_CASE(the_next_stall_is_named_again),
        TEST_CASE(who_comes_in_time_is_not_named),
        TEST_CASE(never_means_never),
        TEST_CASE(a_callback_that_waits_too_long_names_the_cpu_too),
    };

    host_memory_init(64 * MIB);
    return cmocka_run_group_tests_name("rcu_quiet", tests, NULL, NULL);
}
