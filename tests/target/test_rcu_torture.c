/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU under torture on real CPUs: CPU 0 replaces objects and frees the old ones in several ways; on the
 * others events read, queue callbacks, stay away as if in a guest, and let their CPU sleep. */
#include "arch/cpu/cpu.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/rcu_pages.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/job.h"
#include "tests/target/random.h"
#include "tests/target/rcu_fixture.h"
#include <stdlib.h>

#define RUN_NS      (1 * NS_PER_S)
#define SLOTS       8u
#define GENERATIONS 3 /* callbacks that queue the next one */
#define READS       50u
#define SENDS_MAX   64u /* callbacks of one reader that may wait */

/* One page. While a reader holds it, it is no grace period old and its words do not change. */
struct object {
    struct rcu_head head;
    uint64_t age; /* atomic: grace periods since it was unlinked that are over */
    uint64_t words[8];
};

struct torture {
    struct object *slots[SLOTS]; /* RCU */
    struct random random;        /* CPU 0's */
    uint32_t stop;               /* atomic, as all that follows */
    uint64_t reads;
    uint64_t too_old, dead;
    uint64_t made, freed;
    uint64_t sent, received, absences, sleeps;
};

struct reader {
    struct work work;
    struct random random;
    unsigned cpu;
    uint32_t state;   /* atomic, enum reader_state */
    uint32_t waiting; /* atomic: callbacks */
};

enum reader_state { READER_RUNS, READER_SLEEPS, READER_ENDED };

static struct torture torture;

static struct object *object_make(void)
{
    struct object *object = pages_alloc(0, PAGE_HYPERVISOR);
    uint64_t serial = ++torture.made;

    if (!object)
        platform_panic("rcu torture: no memory");
    for (unsigned i = 0; i < ARRAY_SIZE(object->words); i++)
        object->words[i] = serial;
    return object;
}

static void object_free(struct object *object)
{
    for (unsigned i = 0; i < ARRAY_SIZE(object->words); i++)
        object->words[i] = PAGE_POISON;
    pages_free(object);
    atomic_fetch_add(&torture.freed, 1ull);
}

static void grow_older(struct rcu_head *head)
{
    struct object *object = CONTAINER_OF(head, struct object, head);

    if (atomic_fetch_add(&object->age, 1ull) + 1 < GENERATIONS)
        call_rcu(head, grow_older);
    else
        object_free(object);
}

static void read_object(struct random *random)
{
    const struct object *object;
    uint64_t serial;
    bool alive;

    rcu_read_lock();
    object = rcu_dereference(&torture.slots[random_below(random, SLOTS)]);
    serial = atomic_read(&object->words[0]);
    alive = serial && serial != PAGE_POISON;
    for (unsigned i = 0; i < 4 * ARRAY_SIZE(object->words); i++) {
        alive = alive && atomic_read(&object->words[i % ARRAY_SIZE(object->words)]) == serial;
        platform_relax();
    }
    if (!alive)
        atomic_fetch_add(&torture.dead, 1ull);
    if (atomic_read(&object->age))
        atomic_fetch_add(&torture.too_old, 1ull);
    rcu_read_unlock();
}

struct message {
    struct rcu_head head;
    struct reader *sender;
};

static void receive(struct rcu_head *head)
{
    struct message *message = CONTAINER_OF(head, struct message, head);

    atomic_fetch_sub(&message->sender->waiting, 1u);
    atomic_fetch_add(&torture.received, 1ull);
    free(message);
}

static void send(struct reader *reader)
{
    struct message *message;

    if (atomic_read(&reader->waiting) >= SENDS_MAX || !(message = malloc(sizeof(*message))))
        return;
    message->sender = reader;
    atomic_fetch_add(&reader->waiting, 1u);
    atomic_fetch_add(&torture.sent, 1ull);
    call_rcu(&message->head, receive);
}

/* As a vCPU does before it enters its guest: what waits here goes to a CPU that stays. */
static void be_absent(void)
{
    uint64_t end;

    do
        rcu_hand_over();
    while (!rcu_extended_enter());
    end = platform_time_ns() + 100 * NS_PER_US;
    while (platform_time_ns() < end)
        platform_relax();
    rcu_extended_exit();
    atomic_fetch_add(&torture.absences, 1ull);
}

/* An event that reads some times, and posts itself again: between two the CPU is in a quiescent state, and
 * sleeps if it does not. CPU 0 posts it then. */
static void run_reader(struct work *work)
{
    struct reader *reader = CONTAINER_OF(work, struct reader, work);
    uint32_t dice = random_below(&reader->random, 16);

    for (unsigned i = 0; i < READS; i++) {
        read_object(&reader->random);
        rcu_safe_point();
    }
    atomic_fetch_add(&torture.reads, READS);
    if (dice < 4)
        send(reader);
    if (dice == 0)
        be_absent();
    if (atomic_read(&torture.stop))
        atomic_write_release(&reader->state, READER_ENDED);
    else if (dice == 15)
        atomic_write_release(&reader->state, READER_SLEEPS);
    else
        event_post(reader->cpu, work);
}

static void wake_sleepers(struct reader *readers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (atomic_read_acquire(&readers[i].state) == READER_SLEEPS) {
            atomic_write(&readers[i].state, READER_RUNS);
            torture.sleeps++;
            event_post(readers[i].cpu, &readers[i].work);
        }
}

static struct object *replace(struct object *object)
{
    struct object **slot = &torture.slots[random_below(&torture.random, SLOTS)];
    struct object *old = *slot;

    rcu_assign_pointer(slot, object);
    return old;
}

static void update(void)
{
    struct object *old = replace(object_make());
    uint32_t dice = random_below(&torture.random, 64);
    struct list pages;

    if (dice == 0) {
        synchronize_rcu();
        object_free(old);
    } else if (dice == 1) {
        synchronize_rcu_expedited();
        object_free(old);
    } else if (dice < 24) {
        list_init(&pages);
        list_append(&pages, &page_of(old)->link);
        atomic_fetch_add(&torture.freed, 1ull);
        rcu_free_pages(&pages);
    } else {
        call_rcu(&old->head, grow_older);
    }
}

static uint64_t run(struct reader *readers, unsigned count)
{
    uint64_t updates = 0, end = platform_time_ns() + RUN_NS;

    for (unsigned i = 0; i < SLOTS; i++)
        torture.slots[i] = object_make();
    for (unsigned i = 0; i < count; i++) {
        readers[i] =
            (struct reader){.work = {.run = run_reader}, .random = random_seeded(i + 2), .cpu = i + 1};
        list_init(&readers[i].work.link);
        event_post(i + 1, &readers[i].work);
    }
    for (; platform_time_ns() < end && !torture.too_old && !torture.dead; updates++) {
        update();
        wake_sleepers(readers, count);
        event_step();
    }
    atomic_write(&torture.stop, 1u);
    for (unsigned i = 0; i < count; i++)
        if (!wait_until((wake_sleepers(readers, count), event_step(),
                         atomic_read_acquire(&readers[i].state) == READER_ENDED),
                        10 * NS_PER_S))
            platform_panic("rcu torture: the reader on cpu %u does not end", readers[i].cpu);
    for (unsigned i = 0; i < SLOTS; i++)
        call_rcu(&torture.slots[i]->head, grow_older);
    for (unsigned i = 0; i < GENERATIONS; i++)
        rcu_barrier();
    return updates;
}

static void judge(uint64_t updates, uint64_t free_before)
{
    struct rcu_pages_stats pages;
    struct page_alloc_stats memory;
    struct rcu_stats stats;

    tap_ok(!torture.too_old && !torture.dead && updates && torture.reads,
           "%llu updates, %llu reads: %llu of an object too old, %llu of a freed one",
           (unsigned long long)updates, (unsigned long long)torture.reads,
           (unsigned long long)torture.too_old, (unsigned long long)torture.dead);
    tap_ok(torture.sent == torture.received && torture.sent, "%llu callbacks of readers queued, %llu run",
           (unsigned long long)torture.sent, (unsigned long long)torture.received);
    tap_ok(torture.absences && torture.sleeps, "CPUs stayed away %llu times, slept %llu times",
           (unsigned long long)torture.absences, (unsigned long long)torture.sleeps);
    rcu_stats(&stats);
    tap_ok(stats.callbacks == stats.callbacks_done, "%llu callbacks queued ever, %llu run",
           (unsigned long long)stats.callbacks, (unsigned long long)stats.callbacks_done);
    rcu_pages_stats(&pages);
    tap_ok(pages.queued == pages.freed, "%llu pages queued ever, %llu freed",
           (unsigned long long)pages.queued, (unsigned long long)pages.freed);
    page_alloc_stats(&memory);
    tap_ok(torture.made == torture.freed && memory.free_pages == free_before,
           "%llu objects made, %llu freed; %llu pages free, %llu before", (unsigned long long)torture.made,
           (unsigned long long)torture.freed, (unsigned long long)memory.free_pages,
           (unsigned long long)free_before);
}

TEST(rcu_torture)
{
    unsigned count = cpu_count() - 1;
    struct page_alloc_stats before;
    struct rcu_stats stats_before, stats;
    struct reader *readers;
    uint64_t updates;

    if (!need_cpus(2))
        return;
    readers = calloc(count, sizeof(*readers));
    if (!tap_ok(readers, "memory for %u readers", count))
        return;
    rcu_barrier();
    page_alloc_stats(&before);
    rcu_stats(&stats_before);
    torture = (struct torture){.random = random_seeded(1)};
    updates = run(readers, count);
    judge(updates, before.free_pages);
    rcu_stats(&stats);
    tap_ok(stats.handed_over > stats_before.handed_over, "%llu callbacks handed over",
           (unsigned long long)(stats.handed_over - stats_before.handed_over));
    free(readers);
}
