/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU on real CPUs: readers are waited for, idle CPUs are not, and nothing is freed under a reader. */

#include "arch/cpu/cpu.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/rcu_pages.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/job.h"
#include "tests/target/rcu_fixture.h"
#include <stdlib.h>

/* A read section on another CPU that stays open until it is told to end. */
struct long_reader {
    struct job job;
    uint32_t inside; /* atomic, both */
    uint32_t leave;
};

static void read_long(void *context)
{
    struct long_reader *reader = context;

    rcu_read_lock();
    atomic_write_release(&reader->inside, 1u);
    if (!wait_until(atomic_read_acquire(&reader->leave), 10 * NS_PER_S))
        tap_note("the reader was not told to leave");
    rcu_read_unlock();
}

static bool reader_enter(struct long_reader *reader)
{
    job_start(&reader->job, 1, read_long, reader);
    return wait_until(atomic_read_acquire(&reader->inside), 5 * NS_PER_S);
}

static void reader_leave(struct long_reader *reader)
{
    atomic_write_release(&reader->leave, 1u);
    job_wait(&reader->job);
}

TEST(rcu_grace_period_waits_for_reader)
{
    struct long_reader reader = {0};
    uint64_t state;

    if (!need_cpus(2))
        return;
    tap_ok(reader_enter(&reader), "CPU 1 is in a read section");
    state = rcu_get_state();
    spin_events(50 * NS_PER_MS);
    tap_ok(!rcu_poll(state), "50 ms later the grace period is not over");
    reader_leave(&reader);
    tap_ok(wait_until((event_step(), rcu_poll(state)), NS_PER_S),
           "it is over soon after the reader has left");
}

#define PAGES 8

static bool make_pages(struct list *pages)
{
    list_init(pages);
    for (unsigned i = 0; i < PAGES; i++) {
        void *page = pages_alloc(0, PAGE_HYPERVISOR);

        if (!page)
            return tap_ok(false, "no memory for a page");
        list_append(pages, &page_of(page)->link);
    }
    return true;
}

TEST(rcu_pages_wait_for_reader)
{
    struct long_reader reader = {0};
    struct rcu_pages_stats pages_before, pages_now;
    struct rcu_stats before, now;
    struct list pages;

    if (!need_cpus(2))
        return;
    rcu_barrier();
    tap_ok(reader_enter(&reader), "CPU 1 is in a read section");
    rcu_stats(&before);
    rcu_pages_stats(&pages_before);
    if (make_pages(&pages)) {
        rcu_free_pages(&pages);
        spin_events(50 * NS_PER_MS);
        rcu_stats(&now);
        rcu_pages_stats(&pages_now);
        tap_ok(pages_now.queued - pages_before.queued == PAGES && pages_now.freed == pages_before.freed,
               "50 ms after %u pages were handed over none is freed (%llu)", PAGES,
               (unsigned long long)(pages_now.freed - pages_before.freed));
        tap_ok(now.callbacks - before.callbacks <= 1, "they are one callback");
    }
    reader_leave(&reader);
    rcu_barrier();
    rcu_pages_stats(&pages_now);
    tap_ok(pages_now.freed - pages_before.freed == PAGES, "all are freed after the reader has left");
}

TEST(rcu_idle_cpus_are_not_waited_for)
{
    uint64_t start;

    spin_events(20 * NS_PER_MS); /* the others go to sleep */
    start = platform_time_ns();
    for (unsigned i = 0; i < 20; i++)
        synchronize_rcu();
    start = platform_time_ns() - start;
    tap_ok(start < NS_PER_S, "20 grace periods beside idle CPUs: %llu us", start / NS_PER_US);
}

struct counted {
    struct rcu_head head;
    uint64_t *run;
};

static void count_run(struct rcu_head *head)
{
    struct counted *counted = CONTAINER_OF(head, struct counted, head);

    atomic_fetch_add(counted->run, 1ull);
    free(counted);
}

#define CALLS 100

static void call_many(void *context)
{
    for (unsigned i = 0; i < CALLS; i++) {
        struct counted *counted = malloc(sizeof(*counted));

        if (!counted)
            return;
        counted->run = context;
        call_rcu(&counted->head, count_run);
    }
}

TEST(rcu_barrier_waits_for_all_cpus)
{
    uint64_t run = 0;
    uint64_t expected = (uint64_t)CALLS * cpu_count();
    int error = job_run_everywhere(call_many, &run);

    rcu_barrier();
    tap_ok(!error && atomic_read(&run) == expected, "%llu of %llu callbacks have run",
           (unsigned long long)atomic_read(&run), (unsigned long long)expected);
}
