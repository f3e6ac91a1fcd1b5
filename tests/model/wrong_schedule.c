/* SPDX-License-Identifier: BSD-2-Clause */
/* The scheduler and the store buffers themselves: small programs whose outcomes are known. */
#include "lib/atomic.h"
#include "lib/spinlock.h"
#include "tests/model/scenario.h"

static unsigned x, y, seen_x, seen_y;
static struct spinlock lock;

/* Two CPUs, 1 and 2, at once, to their end. */
static void race(void (*one)(void *), void (*two)(void *))
{
    struct agent *first = agent_start(AGENT_CPU, 1, "one", one, NULL);
    struct agent *second = agent_start(AGENT_CPU, 2, "two", two, NULL);

    schedule_set_calm(false);
    agent_join(first);
    agent_join(second);
    schedule_set_calm(true);
}

static void store_x_load_y(void *fence)
{
    atomic_write(&x, 1u);
    if (fence)
        atomic_fence_full();
    seen_y = atomic_read(&y);
    schedule_point(POINT_READ, &seen_y); /* its end would bring the store to memory */
}

static void store_y_load_x(void *fence)
{
    atomic_write(&y, 1u);
    if (fence)
        atomic_fence_full();
    seen_x = atomic_read(&x);
    schedule_point(POINT_READ, &seen_x);
}

static void fenced_x(void *context)
{
    (void)context;
    store_x_load_y(&x);
}

static void fenced_y(void *context)
{
    (void)context;
    store_y_load_x(&x);
}

SCENARIO(store_buffering_without_fences, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "two CPUs that store and then read each other's word may both miss")
{
    race(store_x_load_y, store_y_load_x);
    expect(seen_x || seen_y);
}

SCENARIO(store_buffering_with_fences, .kind = SCENARIO_EXHAUSTIVE, .deviations = 4,
         .what = "with a full fence between store and load on both, one of them sees the other")
{
    race(fenced_x, fenced_y);
    expect(seen_x || seen_y);
}

static void write_then_flag(void *context)
{
    (void)context;
    atomic_write(&x, 1u);
    atomic_write_release(&y, 1u);
}

static void flag_then_read(void *context)
{
    (void)context;
    seen_y = atomic_read_acquire(&y);
    seen_x = atomic_read(&x);
}

SCENARIO(message_passing, .kind = SCENARIO_EXHAUSTIVE, .deviations = 4,
         .what = "stores reach memory in their order, as x86 has it")
{
    race(write_then_flag, flag_then_read);
    expect(!seen_y || seen_x);
}

static void increment(void *context)
{
    (void)context;
    atomic_write(&x, atomic_read(&x) + 1);
}

static void locked_increment(void *context)
{
    spin_lock(&lock);
    increment(context);
    spin_unlock(&lock);
}

SCENARIO(increment_without_lock, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "two read-and-write increments lose one")
{
    race(increment, increment);
    expect_equal(x, 2);
}

SCENARIO(increment_with_lock, .kind = SCENARIO_EXHAUSTIVE, .deviations = 4,
         .what = "under a lock they do not, and who spins does not hang")
{
    race(locked_increment, locked_increment);
    expect_equal(x, 2);
}

static void wait_for_x(void *context)
{
    (void)context;
    while (!atomic_read(&x))
        platform_relax();
}

SCENARIO(waiting_for_nobody, .kind = SCENARIO_WRONG, .expected = VIOLATION_STUCK,
         .what = "a wait without a deadline for what never comes is called out")
{
    race(wait_for_x, wait_for_x);
}
