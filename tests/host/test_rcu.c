/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU: who waits for whom, one step at a time with one thread playing all CPUs, and then with real threads.
 */
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPUS 4

struct counted {
    struct rcu_head head;
    unsigned runs;
};

static void count_run(struct rcu_head *head)
{
    CONTAINER_OF(head, struct counted, head)->runs++;
}

static void quiescent_on(unsigned cpu)
{
    host_set_cpu(cpu);
    rcu_quiescent();
    host_set_cpu(0);
}

static int all_online(void **state)
{
    (void)state;
    host_set_cpu_count(CPUS);
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        host_set_cpu(cpu);
        rcu_cpu_online();
    }
    host_set_cpu(0);
    return 0;
}

static int all_offline(void **state)
{
    (void)state;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        host_set_cpu(cpu);
        rcu_cpu_offline();
    }
    host_set_cpu(0);
    return 0;
}

static void a_callback_waits_for_every_cpu(void **state)
{
    struct counted callback = {.runs = 0};

    (void)state;
    rcu_call(&callback.head, count_run);
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
    rcu_extended_enter();
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
    rcu_call(&early.head, count_run);
    quiescent_on(0);
    rcu_call(&late.head, count_run); /* after the start of early's grace period */
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

static void others_pass(void)
{
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        quiescent_on(cpu);
}

static void synchronize_and_barrier_return(void **state)
{
    struct counted here = {.runs = 0}, there = {.runs = 0};

    (void)state;
    host_set_relax(others_pass);
    rcu_synchronize();
    rcu_call(&here.head, count_run);
    host_set_cpu(2);
    rcu_call(&there.head, count_run);
    host_set_cpu(0);
    rcu_barrier();
    assert_int_equal(here.runs, 1);
    assert_int_equal(there.runs, 1);
    host_set_relax(NULL);
}

static void a_list_of_pages_is_one_callback(void **state)
{
    struct rcu_stats before, after;
    struct page_alloc_stats pages_before, pages_after;
    struct list pages;

    (void)state;
    page_alloc_stats(&pages_before);
    rcu_stats(&before);
    list_init(&pages);
    for (unsigned i = 0; i < 5; i++)
        list_append(&pages, &page_of(pages_alloc(0, PAGE_HYPERVISOR))->link);
    rcu_free_pages(&pages);
    assert_true(list_empty(&pages));
    rcu_free_pages(&pages);
    rcu_stats(&after);
    assert_int_equal(after.callbacks - before.callbacks, 1);
    assert_int_equal(after.pages - before.pages, 5);
    assert_int_equal(after.pages_done, before.pages_done);
    page_alloc_stats(&pages_after);
    assert_int_equal(pages_before.free_pages - pages_after.free_pages, 5);
    host_set_relax(others_pass);
    rcu_barrier();
    host_set_relax(NULL);
    rcu_stats(&after);
    assert_int_equal(after.pages_done - before.pages_done, 5);
    page_alloc_stats(&pages_after);
    assert_int_equal(pages_before.free_pages, pages_after.free_pages);
}

/* What the debug build must not let pass ends the run. */
static bool dies(void (*misuse)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        misuse();
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void quiescent_inside_section(void)
{
    rcu_read_lock();
    rcu_quiescent();
}

static void section_while_extended(void)
{
    rcu_extended_enter();
    rcu_read_lock();
}

static void section_ended_twice(void)
{
    rcu_read_lock();
    rcu_read_unlock();
    rcu_read_unlock();
}

static void idle_with_callbacks(void)
{
    static struct counted callback;

    rcu_call(&callback.head, count_run);
    rcu_extended_enter();
}

static void nothing(void)
{
}

static void misuse_ends_the_run(void **state)
{
    (void)state;
    assert_false(dies(nothing));
    assert_true(dies(quiescent_inside_section));
    assert_true(dies(section_while_extended));
    assert_true(dies(section_ended_twice));
    assert_true(dies(idle_with_callbacks));
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
            rcu_extended_enter();
            platform_relax();
            rcu_extended_exit();
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
        rcu_call(&old->head, poison);
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
        cmocka_unit_test_setup_teardown(a_list_of_pages_is_one_callback, all_online, all_offline),
        cmocka_unit_test_setup_teardown(misuse_ends_the_run, all_online, all_offline),
        cmocka_unit_test_setup_teardown(readers_never_see_what_was_freed, all_online, NULL),
    };

    host_memory_init(GIB);
    return cmocka_run_group_tests_name("rcu", tests, NULL, NULL);
}
