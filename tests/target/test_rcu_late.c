/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU and a CPU that takes long: it is asked to hurry, and named when it does not come. */
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "linker/symbols.h"
#include "tests/target/job.h"
#include "tests/target/rcu_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE_CPU   1
#define DEFAULT_NS (21 * NS_PER_S)

/* An event that takes long, in a read section or with safe points. */
struct long_event {
    struct job job;
    bool safe_points;
    uint32_t inside; /* atomic, both */
    uint32_t leave;
};

static void take_long(void *context)
{
    struct long_event *event = context;
    uint64_t end = platform_time_ns() + 10 * NS_PER_S;

    if (!event->safe_points)
        rcu_read_lock();
    atomic_write_release(&event->inside, 1u);
    while (!atomic_read_acquire(&event->leave) && platform_time_ns() < end) {
        if (event->safe_points)
            rcu_safe_point();
        platform_relax();
    }
    if (!event->safe_points)
        rcu_read_unlock();
}

static bool enter(struct long_event *event)
{
    job_start(&event->job, LATE_CPU, take_long, event);
    return tap_ok(wait_until(atomic_read_acquire(&event->inside), 5 * NS_PER_S), "CPU %u is in a long event",
                  LATE_CPU);
}

static void leave(struct long_event *event)
{
    atomic_write_release(&event->leave, 1u);
    job_wait(&event->job);
}

TEST(rcu_expedite_ends_at_a_safe_point)
{
    struct long_event event = {.safe_points = true};
    uint64_t state;

    if (!need_cpus(2))
        return;
    if (enter(&event)) {
        state = rcu_get_state();
        spin_events(50 * NS_PER_MS);
        tap_ok(!rcu_poll(state), "50 ms later it has not been in a quiescent state");
        rcu_expedite(state);
        tap_ok(wait_until((event_step(), rcu_poll(state)), NS_PER_S), "asked to hurry, it has");
        synchronize_rcu_expedited();
        tap_ok(!atomic_read(&event.job.done), "an expedited wait returns while the event goes on");
    }
    leave(&event);
}

static uint64_t stalls(void)
{
    struct rcu_stats stats;

    rcu_stats(&stats);
    return stats.stalls;
}

/* Callbacks wait for the long event until so many stalls have been named, or for so long. */
static void wait_for_stalls(uint64_t until, uint64_t ns)
{
    uint64_t end = platform_time_ns() + ns;

    while (stalls() < until && platform_time_ns() < end)
        event_step();
}

static void free_head(struct rcu_head *head)
{
    free(head);
}

/* The instruction pointer in the newest line of the log about this CPU; 0 if there is none. */
static uint64_t logged_place(unsigned cpu)
{
    static char text[16384]; /* longer than what is logged meanwhile */
    size_t bytes = log_copy(text, sizeof(text) - 1);
    const char *line = NULL, *place;
    char words[64];

    text[bytes] = 0;
    snprintf(words, sizeof(words), "rcu: cpu %u has not been in a quiescent state", cpu);
    for (const char *at = text; (at = strstr(at, words)); at++)
        line = at;
    place = line ? strstr(line, "it is at 0x") : NULL;
    return place ? strtoull(place + strlen("it is at "), NULL, 16) : 0;
}

TEST(rcu_stall_is_named)
{
    struct long_event event = {.safe_points = false};
    struct rcu_head *head = calloc(1, sizeof(*head));
    uint64_t before = stalls(), place;

    if (!need_cpus(2)) {
        free(head);
        return;
    }
    rcu_barrier();
    rcu_set_stall_ns(20 * NS_PER_MS);
    if (enter(&event) && tap_ok(head, "memory for a callback")) {
        call_rcu(head, free_head);
        wait_for_stalls(before + 1, 5 * NS_PER_S);
        tap_ok(stalls() == before + 1, "a stall is named (%llu)", (unsigned long long)(stalls() - before));
        wait_for_stalls(before + 2, 100 * NS_PER_MS);
        tap_ok(stalls() == before + 1, "and named once (%llu)", (unsigned long long)(stalls() - before));
        place = logged_place(LATE_CPU);
        tap_ok(place >= (uintptr_t)image_text_start && place < (uintptr_t)image_text_end,
               "the log says where CPU %u is: %#llx", LATE_CPU, (unsigned long long)place);
    }
    rcu_set_stall_ns(DEFAULT_NS);
    leave(&event);
    rcu_barrier();
}
