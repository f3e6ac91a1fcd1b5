/* SPDX-License-Identifier: BSD-2-Clause */
/* Events: their order, that none is slept over, and many at once. */
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/tap.h"
#include "lib/units.h"
#include <string.h>

#define WAIT_NS NS_PER_S
#define EVENTS  64
#define POSTERS 16
#define BOUNCES 2000

/* Events that note the order in which they ran; all of one CPU. */
struct ordered {
    struct work work;
    unsigned number;
};

static struct {
    struct ordered events[EVENTS];
    unsigned next; /* the number that must come next */
    unsigned wrong;
    uint32_t done; /* atomic */
} order;

static void note_order(struct work *work)
{
    struct ordered *event = CONTAINER_OF(work, struct ordered, work);

    order.wrong += event->number != order.next;
    order.next++;
    atomic_fetch_add(&order.done, 1u);
}

TEST(cpu_event_order)
{
    unsigned target = cpu_count() - 1;
    bool ran;

    memset(&order, 0, sizeof(order));
    for (unsigned i = 0; i < EVENTS; i++) {
        order.events[i] = (struct ordered){.work.run = note_order, .number = i};
        event_post(target, &order.events[i].work);
    }
    ran = wait_until((event_step(), atomic_read(&order.done) == EVENTS), WAIT_NS);
    tap_ok(ran, "%u events posted to cpu %u ran (%u did)", EVENTS, target, atomic_read(&order.done));
    tap_ok(ran && order.wrong == 0, "in the order in which they were posted (%u did not)", order.wrong);
}

/* An event that posts itself to the next CPU, until it has been moved often enough: each hop may find its CPU
 * on the way to sleep. */
static struct {
    struct work work;
    uint32_t left; /* atomic */
} bounce;

static void bounce_on(struct work *work)
{
    if (atomic_fetch_sub(&bounce.left, 1u) > 1)
        event_post((cpu_id() + 1) % cpu_count(), work);
}

TEST(cpu_event_wake)
{
    bool done;

    bounce.work.run = bounce_on;
    atomic_write(&bounce.left, BOUNCES);
    event_post(0, &bounce.work);
    done = wait_until((event_step(), atomic_read(&bounce.left) == 0), 20 * WAIT_NS);
    tap_ok(done, "an event handed from CPU to CPU %u times never finds one asleep for good (%u left)",
           BOUNCES, atomic_read(&bounce.left));
}

/* Several CPUs post to one at once. */
static struct {
    struct work flood[PLATFORM_CPUS_MAX * POSTERS];
    struct work start[PLATFORM_CPUS_MAX];
    uint32_t ran; /* atomic */
} storm;

static void storm_count(struct work *work)
{
    (void)work;
    atomic_fetch_add(&storm.ran, 1u);
}

static void storm_post(struct work *work)
{
    (void)work;
    for (unsigned i = 0; i < POSTERS; i++)
        event_post(0, &storm.flood[cpu_id() * POSTERS + i]);
}

TEST(cpu_event_storm)
{
    uint32_t wanted = cpu_count() * POSTERS;
    bool all;

    atomic_write(&storm.ran, 0);
    for (unsigned i = 0; i < wanted; i++)
        storm.flood[i].run = storm_count;
    for (unsigned i = 0; i < cpu_count(); i++) {
        storm.start[i].run = storm_post;
        event_post(i, &storm.start[i]);
    }
    all = wait_until((event_step(), atomic_read(&storm.ran) == wanted), 5 * WAIT_NS);
    tap_ok(all, "%u events that %u CPUs post to cpu 0 at once all run (%u did)", wanted, cpu_count(),
           atomic_read(&storm.ran));
}
