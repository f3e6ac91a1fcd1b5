/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU on real CPUs: readers are waited for, idle CPUs are not, and nothing is freed under a reader. */

#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/job.h"
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

static bool need_cpus(unsigned count)
{
    if (platform_cpu_count() >= count)
        return true;
    tap_skip("needs %u CPUs", count);
    return false;
}

/* Turns of this CPU's loop, so that it is never this CPU which holds a grace period up. */
static void spin_events(uint64_t ns)
{
    uint64_t end = platform_time_ns() + ns;

    while (platform_time_ns() < end)
        event_step();
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
    struct rcu_stats before, now;
    struct list pages;

    if (!need_cpus(2))
        return;
    rcu_barrier();
    tap_ok(reader_enter(&reader), "CPU 1 is in a read section");
    rcu_stats(&before);
    if (make_pages(&pages)) {
        rcu_free_pages(&pages);
        spin_events(50 * NS_PER_MS);
        rcu_stats(&now);
        tap_ok(now.pages - before.pages == PAGES && now.pages_done == before.pages_done,
               "50 ms after %u pages were handed over none is freed (%llu)", PAGES,
               (unsigned long long)(now.pages_done - before.pages_done));
        tap_ok(now.callbacks - before.callbacks <= 1, "they are one callback");
    }
    reader_leave(&reader);
    rcu_barrier();
    rcu_stats(&now);
    tap_ok(now.pages_done - before.pages_done == PAGES, "all are freed after the reader has left");
}

TEST(rcu_idle_cpus_are_not_waited_for)
{
    uint64_t start;

    spin_events(20 * NS_PER_MS); /* the others go to sleep */
    start = platform_time_ns();
    for (unsigned i = 0; i < 20; i++)
        rcu_synchronize();
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
        rcu_call(&counted->head, count_run);
    }
}

TEST(rcu_barrier_waits_for_all_cpus)
{
    uint64_t run = 0;
    uint64_t expected = (uint64_t)CALLS * platform_cpu_count();
    int error = job_run_everywhere(call_many, &run);

    rcu_barrier();
    tap_ok(!error && atomic_read(&run) == expected, "%llu of %llu callbacks have run",
           (unsigned long long)atomic_read(&run), (unsigned long long)expected);
}

/* Torture: CPU 0 replaces an object and frees the old one, the others read it. The allocator fills freed
 * pages in debug builds. */
#define MAGIC 0x6c6c75006c6c7500ull

struct object {
    uint64_t magic[8];
};

struct torture {
    struct object *object; /* RCU */
    uint32_t stop;         /* atomic, as the next two */
    uint64_t reads;
    uint64_t bad;
};

struct torture_reader {
    struct work work;
    struct torture *torture;
    unsigned cpu;
    uint32_t done; /* atomic */
};

static void read_object(struct torture *torture)
{
    const struct object *object;

    rcu_read_lock();
    object = rcu_dereference(&torture->object);
    for (unsigned i = 0; i < ARRAY_SIZE(object->magic); i++) {
        if (atomic_read(&object->magic[i]) != MAGIC)
            atomic_fetch_add(&torture->bad, 1ull);
        platform_relax();
    }
    rcu_read_unlock();
}

/* An event reads some times and posts itself again: between two the CPU is in a quiescent state. */
static void run_reader(struct work *work)
{
    struct torture_reader *reader = CONTAINER_OF(work, struct torture_reader, work);

    for (unsigned i = 0; i < 50; i++)
        read_object(reader->torture);
    atomic_fetch_add(&reader->torture->reads, 50ull);
    if (atomic_read(&reader->torture->stop))
        atomic_write_release(&reader->done, 1u);
    else
        event_post(reader->cpu, work);
}

static struct object *make_object(void)
{
    struct object *object = pages_alloc(0, PAGE_HYPERVISOR);

    for (unsigned i = 0; object && i < ARRAY_SIZE(object->magic); i++)
        object->magic[i] = MAGIC;
    return object;
}

static void free_object(struct object *object)
{
    struct list pages;

    list_init(&pages);
    list_append(&pages, &page_of(object)->link);
    rcu_free_pages(&pages);
}

static uint64_t update_for(struct torture *torture, uint64_t ns)
{
    uint64_t updates = 0, end = platform_time_ns() + ns;

    while (platform_time_ns() < end) {
        struct object *object = make_object();

        if (object) {
            struct object *old = torture->object;

            rcu_assign_pointer(&torture->object, object);
            free_object(old);
            updates++;
        }
        event_step();
    }
    return updates;
}

static void run_torture(struct torture *torture, struct torture_reader *readers, unsigned count)
{
    uint64_t updates;

    for (unsigned i = 0; i < count; i++) {
        readers[i] = (struct torture_reader){.work = {.run = run_reader}, .torture = torture, .cpu = i + 1};
        list_init(&readers[i].work.link);
        event_post(i + 1, &readers[i].work);
    }
    updates = update_for(torture, 300 * NS_PER_MS);
    atomic_write(&torture->stop, 1u);
    for (unsigned i = 0; i < count; i++)
        tap_ok(wait_until((event_step(), atomic_read_acquire(&readers[i].done)), 10 * NS_PER_S),
               "reader %u ends", i);
    tap_ok(torture->bad == 0 && updates && torture->reads,
           "%llu updates beside %llu reads, %llu of a freed object", (unsigned long long)updates,
           (unsigned long long)torture->reads, (unsigned long long)torture->bad);
}

TEST(rcu_torture)
{
    unsigned count = platform_cpu_count() - 1;
    struct page_alloc_stats before, after;
    struct torture torture = {0};
    struct torture_reader *readers;

    if (!need_cpus(2))
        return;
    readers = calloc(count, sizeof(*readers));
    rcu_barrier();
    page_alloc_stats(&before);
    torture.object = make_object();
    if (!readers || !torture.object) {
        tap_ok(false, "no memory");
        return;
    }
    run_torture(&torture, readers, count);
    free_object(torture.object);
    rcu_barrier();
    page_alloc_stats(&after);
    tap_ok(before.free_pages == after.free_pages, "all objects are back: %llu pages free, %llu before",
           (unsigned long long)after.free_pages, (unsigned long long)before.free_pages);
    free(readers);
}
