/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU: who waits for whom, one step at a time with one thread playing all CPUs, and then with real threads.
 */
#include "lib/units.h"
#include "tests/host/rcu_fixture.h"
#include <pthread.h>

static int one_online(void **state)
{
    (void)state;
    rcu_cpu_online();
    return 0;
}

static void a_callback_waits_for_every_cpu(void **state)
{
    struct counted callback = {.runs = 0};

    (void)state;
    call_rcu(&callback.head, count_run);
    assert_true(rcu_callbacks_pending());
    quiescent_on(0); /* starts the grace period */
    quiescent_on(0);
    quiescent_on(1);
    quiescent_on(2);
    quiescent_on(0);
    assert_int_equal(callback.runs, 0);
    quiescent_on(3);
    quiescent_on(0);
    assert_int_equal(callback.runs, 1);
    assert_false(rcu_callbacks_pending());
}

static void a_report_before_the_grace_period_does_not_count(void **state)
{
    uint64_t rcu_state;

    (void)state;
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        quiescent_on(cpu);
    rcu_state = rcu_get_state();
    assert_false(rcu_poll(rcu_state));
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        quiescent_on(cpu);
    assert_true(rcu_poll(rcu_state));
}

static void an_extended_cpu_is_not_waited_for(void **state)
{
    uint64_t rcu_state;

    (void)state;
    host_set_cpu(3);
    assert_true(rcu_extended_enter());
    rcu_state = rcu_get_state();
    quiescent_on(0);
    quiescent_on(1);
    quiescent_on(2);
    assert_true(rcu_poll(rcu_state));
    rcu_state = rcu_get_state();
    host_set_cpu(3);
    rcu_extended_exit();
    quiescent_on(0);
    quiescent_on(1);
    quiescent_on(2);
    /* It came back after the start: it has seen it, and counts as having passed. */
    assert_true(rcu_poll(rcu_state));
    rcu_state = rcu_get_state();
    quiescent_on(0);
    quiescent_on(1);
    quiescent_on(2);
    assert_false(rcu_poll(rcu_state));
    quiescent_on(3);
    assert_true(rcu_poll(rcu_state));
}

static void callbacks_keep_to_their_own_grace_periods(void **state)
{
    struct counted early = {.runs = 0}, late = {.runs = 0};

    (void)state;
    call_rcu(&early.head, count_run);
    quiescent_on(0);
    call_rcu(&late.head, count_run); /* after the start of early's grace period */
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        quiescent_on(cpu);
    quiescent_on(0);
    assert_int_equal(early.runs, 1);
    assert_int_equal(late.runs, 0);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        quiescent_on(cpu);
    quiescent_on(0);
    assert_int_equal(late.runs, 1);
}

static void synchronize_and_barrier_return(void **state)
{
    struct counted here = {.runs = 0}, there = {.runs = 0};

    (void)state;
    host_set_relax(others_pass);
    synchronize_rcu();
    call_rcu(&here.head, count_run);
    host_set_cpu(2);
    call_rcu(&there.head, count_run);
    host_set_cpu(0);
    rcu_barrier();
    assert_int_equal(here.runs, 1);
    assert_int_equal(there.runs, 1);
    host_set_relax(NULL);
}

/* Threads: readers look at a page through a pointer; an updater swaps it and frees the old one, poisoned,
 * after a grace period. */

#define ALIVE    0x600d600d600d600dull
#define POISONED 0xdeaddeaddeaddeadull

struct object {
    struct rcu_head head;
    uint64_t value;
};

static struct object pool[64];
static struct object *shared;
static uint64_t stop, reads, dead_reads, swaps;

static void poison(struct rcu_head *head)
{
    atomic_write(&CONTAINER_OF(head, struct object, head)->value, POISONED);
}

static void *reader(void *cpu)
{
    uint64_t count = 0;

    host_set_cpu((unsigned)(uintptr_t)cpu);
    rcu_cpu_online();
    while (!atomic_read(&stop)) {
        rcu_read_lock();
        for (unsigned i = 0; i < 10; i++) {
            const struct object *object = rcu_dereference(&shared);

            for (unsigned look = 0; look < 20; look++)
                if (atomic_read(&object->value) != ALIVE)
                    atomic_fetch_add(&dead_reads, 1u);
        }
        rcu_read_unlock();
        rcu_quiescent();
        if (++count % 64 == 0) {
            if (rcu_extended_enter()) {
                platform_relax();
                rcu_extended_exit();
            }
        }
    }
    atomic_fetch_add(&reads, count);
    rcu_cpu_offline();
    return NULL;
}

static void readers_never_see_what_was_freed(void **state)
{
    pthread_t threads[CPUS - 1];
    uint64_t end = platform_time_ns() + NS_PER_S / 2;
    unsigned next = 1;

    (void)state;
    pool[0].value = ALIVE;
    shared = &pool[0];
    for (uintptr_t cpu = 1; cpu < CPUS; cpu++)
        pthread_create(&threads[cpu - 1], NULL, reader, (void *)cpu);
    while (platform_time_ns() < end) {
        struct object *object = &pool[next++ % ARRAY_SIZE(pool)], *old = shared;

        if (next % 32 == 0)
            rcu_barrier(); /* before the pool comes round */
        atomic_write(&object->value, ALIVE);
        rcu_assign_pointer(&shared, object);
        call_rcu(&old->head, poison);
        rcu_quiescent();
        swaps++;
    }
    rcu_barrier();
    atomic_write(&stop, 1u);
    for (unsigned i = 0; i < CPUS - 1; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(dead_reads, 0);
    assert_true(swaps > 1000);
    assert_true(reads > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_callback_waits_for_every_cpu, all_online, all_offline),
        cmocka_unit_test_setup_teardown(a_report_before_the_grace_period_does_not_count, all_online,
                                        all_offline),
        cmocka_unit_test_setup_teardown(an_extended_cpu_is_not_waited_for, all_online, all_offline),
        cmocka_unit_test_setup_teardown(callbacks_keep_to_their_own_grace_periods, all_online, all_offline),
        cmocka_unit_test_setup_teardown(synchronize_and_barrier_return, all_online, all_offline),
        cmocka_unit_test_setup_teardown(readers_never_see_what_was_freed, one_online, NULL),
    };

    host_memory_init(GIB);
    return cmocka_run_group_tests_name("rcu", tests, NULL, NULL);
}
