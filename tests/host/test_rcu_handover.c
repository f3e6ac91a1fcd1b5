/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU: callbacks of a CPU that goes away, and the barrier that has to find them. */
#include "lib/units.h"
#include "tests/host/rcu_fixture.h"

static void extend(unsigned cpu)
{
    host_set_cpu(cpu);
    assert_true(rcu_extended_enter());
    host_set_cpu(0);
}

static void leave_extended(unsigned cpu)
{
    host_set_cpu(cpu);
    rcu_extended_exit();
    host_set_cpu(0);
}

static uint64_t handed_over(void)
{
    struct rcu_stats stats;

    rcu_stats(&stats);
    return stats.handed_over;
}

static void one_that_stays_runs_it_after_a_whole_grace_period(void **state)
{
    struct counted callback = {.runs = 0};
    uint64_t before = handed_over();

    (void)state;
    call_rcu(&callback.head, count_run);
    rcu_quiescent(); /* its first grace period begins, and is forgotten */
    rcu_hand_over();
    assert_false(rcu_callbacks_pending());
    assert_int_equal(handed_over() - before, 1);
    assert_true(rcu_extended_enter());
    quiescent_on(1); /* takes it: the grace period that counts begins */
    quiescent_on(1);
    quiescent_on(2);
    quiescent_on(1);
    assert_int_equal(callback.runs, 0);
    quiescent_on(3);
    quiescent_on(1);
    assert_int_equal(callback.runs, 1);
    assert_int_equal(callback.cpu, 1);
    rcu_extended_exit();
}

static void a_reader_that_was_there_before_is_waited_for(void **state)
{
    struct counted callback = {.runs = 0};

    (void)state;
    host_set_cpu(3);
    rcu_read_lock();
    host_set_cpu(0);
    call_rcu(&callback.head, count_run);
    rcu_hand_over();
    for (unsigned turn = 0; turn < 10; turn++)
        for (unsigned cpu = 0; cpu < 3; cpu++)
            quiescent_on(cpu);
    assert_int_equal(callback.runs, 0);
    host_set_cpu(3);
    rcu_read_unlock();
    host_set_cpu(0);
    for (unsigned turn = 0; turn < 3; turn++)
        all_pass();
    assert_int_equal(callback.runs, 1);
}

static void where_all_others_are_extended_it_runs_here(void **state)
{
    struct counted callback = {.runs = 0};

    (void)state;
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        extend(cpu);
    call_rcu(&callback.head, count_run);
    rcu_hand_over();
    assert_int_equal(callback.runs, 1);
    assert_int_equal(callback.cpu, 0);
    assert_false(rcu_callbacks_pending());
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        leave_extended(cpu);
}

/* A callback that queues another one, which counts. */
static struct counted nested;

static void queue_nested(struct rcu_head *head)
{
    (void)head;
    call_rcu(&nested.head, count_run);
}

static void what_a_callback_queues_is_not_left_behind(void **state)
{
    struct rcu_head outer;

    (void)state;
    nested.runs = 0;
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        extend(cpu);
    call_rcu(&outer, queue_nested);
    rcu_hand_over();
    assert_int_equal(nested.runs, 1);
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        leave_extended(cpu);
}

static void callbacks_refuse_extended_quiescence(void **state)
{
    struct counted callback = {.runs = 0};

    (void)state;
    call_rcu(&callback.head, count_run);
    assert_false(rcu_extended_enter());
    rcu_quiescent(); /* waiting now, no longer next */
    assert_false(rcu_extended_enter());
    all_pass();
    all_pass();
    assert_int_equal(callback.runs, 1);
    assert_true(rcu_extended_enter());
    rcu_extended_exit();
}

static void an_inbox_with_something_refuses_extended_quiescence(void **state)
{
    struct counted callback = {.runs = 0};

    (void)state;
    extend(2);
    extend(3);
    call_rcu(&callback.head, count_run);
    rcu_hand_over(); /* to CPU 1: the only one that is left */
    host_set_cpu(1);
    assert_true(rcu_callbacks_pending());
    assert_false(rcu_extended_enter());
    host_set_cpu(0);
    for (unsigned turn = 0; turn < 3; turn++) {
        quiescent_on(0);
        quiescent_on(1);
    }
    assert_int_equal(callback.runs, 1);
    leave_extended(2);
    leave_extended(3);
}

static void nothing_is_handed_to_a_closed_inbox(void **state)
{
    struct counted callback = {.runs = 0};

    (void)state;
    extend(1);
    extend(2);
    call_rcu(&callback.head, count_run);
    rcu_hand_over();
    host_set_cpu(3);
    assert_true(rcu_callbacks_pending());
    host_set_cpu(0);
    leave_extended(1);
    leave_extended(2);
    for (unsigned turn = 0; turn < 3; turn++)
        all_pass();
    assert_int_equal(callback.runs, 1);
    assert_int_equal(callback.cpu, 3);
}

/* The order in which callbacks have run. */
static struct counted *ran[8];
static unsigned ran_count;

static void note_run(struct rcu_head *head)
{
    count_run(head);
    ran[ran_count++] = CONTAINER_OF(head, struct counted, head);
}

static void callbacks_keep_their_order_through_a_hand_over(void **state)
{
    struct counted callbacks[5] = {{.runs = 0}};

    (void)state;
    ran_count = 0;
    call_rcu(&callbacks[0].head, note_run);
    rcu_quiescent(); /* waiting */
    call_rcu(&callbacks[1].head, note_run);
    rcu_hand_over(); /* two parts of one push */
    call_rcu(&callbacks[2].head, note_run);
    call_rcu(&callbacks[3].head, note_run);
    rcu_hand_over();
    call_rcu(&callbacks[4].head, note_run);
    rcu_hand_over();
    for (unsigned turn = 0; turn < 4; turn++)
        all_pass();
    assert_int_equal(ran_count, 5);
    /* Each push as one piece, earlier pushes first: a later barrier overtakes nothing. */
    for (unsigned i = 0; i < 5; i++)
        assert_ptr_equal(ran[i], &callbacks[i]);
}

static void a_barrier_waits_for_what_was_handed_over(void **state)
{
    struct counted here = {.runs = 0}, moved = {.runs = 0};

    (void)state;
    host_set_cpu(3);
    call_rcu(&moved.head, count_run);
    rcu_hand_over();
    assert_true(rcu_extended_enter());
    host_set_cpu(0);
    call_rcu(&here.head, count_run);
    extend(2);
    for (unsigned cpu = 2; cpu < CPUS; cpu++)
        leave_extended(cpu);
    host_set_relax(others_pass);
    rcu_barrier();
    assert_int_equal(moved.runs, 1);
    assert_int_equal(here.runs, 1);
}

static void going_offline_leaves_nothing_behind(void **state)
{
    struct counted callback = {.runs = 0};

    (void)state;
    host_set_cpu(3);
    call_rcu(&callback.head, count_run);
    rcu_cpu_offline();
    host_set_cpu(0);
    for (unsigned turn = 0; turn < 3; turn++)
        for (unsigned cpu = 0; cpu < 3; cpu++)
            quiescent_on(cpu);
    assert_int_equal(callback.runs, 1);
    assert_int_not_equal(callback.cpu, 3);
    host_set_cpu(3);
    rcu_cpu_online();
    host_set_cpu(0);
}

static void settle_all(void)
{
    for (unsigned turn = 0; turn < 2; turn++)
        for (unsigned cpu = 0; cpu < CPUS; cpu++)
            quiescent_on(cpu);
}

/* A CPU at rest does not look into its inbox at each quiescent state: the push has to tell it. */
static void a_cpu_at_rest_finds_what_was_handed_over(void **state)
{
    struct counted callback = {.runs = 0};

    (void)state;
    settle_all();
    call_rcu(&callback.head, count_run);
    rcu_hand_over();
    assert_false(rcu_callbacks_pending());
    for (unsigned turn = 0; turn < 2; turn++)
        settle_all();
    assert_int_equal(callback.runs, 1);
}

static void settle_within_bounds(void)
{
    static unsigned turns;

    assert_true(++turns < 1000);
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        quiescent_on(cpu);
}

static void a_barrier_reaches_cpus_at_rest(void **state)
{
    (void)state;
    settle_all();
    host_set_relax(settle_within_bounds);
    rcu_barrier();
    host_set_relax(NULL);
}

#define TEST_CASE(name) cmocka_unit_test_setup_teardown(name, all_online, all_offline)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(one_that_stays_runs_it_after_a_whole_grace_period),
        TEST_CASE(a_reader_that_was_there_before_is_waited_for),
        TEST_CASE(where_all_others_are_extended_it_runs_here),
        TEST_CASE(what_a_callback_queues_is_not_left_behind),
        TEST_CASE(callbacks_refuse_extended_quiescence),
        TEST_CASE(an_inbox_with_something_refuses_extended_quiescence),
        TEST_CASE(nothing_is_handed_to_a_closed_inbox),
        TEST_CASE(callbacks_keep_their_order_through_a_hand_over),
        TEST_CASE(a_barrier_waits_for_what_was_handed_over),
        TEST_CASE(going_offline_leaves_nothing_behind),
        TEST_CASE(a_cpu_at_rest_finds_what_was_handed_over),
        TEST_CASE(a_barrier_reaches_cpus_at_rest),
    };

    host_memory_init(64 * MIB);
    return cmocka_run_group_tests_name("rcu_handover", tests, NULL, NULL);
}
