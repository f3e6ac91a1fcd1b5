/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's timer, and time on one CPU and from CPU to CPU. */
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "arch/cpu/tsc.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/tap.h"
#include "lib/units.h"

#define WAIT_NS   NS_PER_S
#define TIMER_HZ  1000
#define TIMER_NS  (NS_PER_S / TIMER_HZ)
#define TIMER_RUN (200 * NS_PER_MS)
#define RUNS_MAX  20u

/* The timer runs on the last CPU, since the console's runs on CPU 0. */
static struct {
    uint32_t ticks; /* atomic, as the rest */
    uint32_t wrong_cpu;
    uint32_t stopped;
    struct work start;
    struct work stop;
} timer;

static void tick(void *context)
{
    if (cpu_this() != context)
        atomic_fetch_add(&timer.wrong_cpu, 1u);
    atomic_fetch_add(&timer.ticks, 1u);
}

static void timer_begin(struct work *work)
{
    (void)work;
    apic_timer_start(TIMER_NS, tick, cpu_this());
}

static void timer_end(struct work *work)
{
    (void)work;
    apic_timer_stop();
    atomic_write_release(&timer.stopped, 1);
}

static void run_for(uint64_t ns)
{
    uint64_t end = tsc_ns() + ns;

    while (tsc_ns() < end)
        event_step();
}

struct timer_run {
    bool answered;  /* the CPU takes events while its timer runs */
    unsigned ticks; /* in TIMER_RUN */
    unsigned after; /* ticks after it was stopped */
};

static struct timer_run run_timer(unsigned target)
{
    struct timer_run run = {false, 0, 0};

    atomic_write(&timer.ticks, 0);
    atomic_write(&timer.stopped, 0);
    event_post(target, &timer.start);
    run_for(TIMER_RUN);
    event_post(target, &timer.stop);
    run.answered = wait_until((event_step(), atomic_read_acquire(&timer.stopped)), WAIT_NS);
    run.ticks = atomic_read(&timer.ticks);
    run_for(TIMER_RUN / 4);
    run.after = atomic_read(&timer.ticks) - run.ticks;
    return run;
}

/* More ticks than asked for there cannot be, but for rounding, in any run. Fewer there are on a busy machine:
 * an emulator whose clock's thread does not get to run merges them, all of them even. So one good run is
 * enough. */
TEST(cpu_timer)
{
    unsigned target = cpu_count() - 1;
    unsigned expected = TIMER_RUN / TIMER_NS;
    struct timer_run run = {true, 0, 0};
    unsigned runs = 0, most = 0, after = 0;

    if (target == 0) {
        tap_skip("the only CPU's timer is the console's");
        return;
    }
    timer.start.run = timer_begin;
    timer.stop.run = timer_end;
    atomic_write(&timer.wrong_cpu, 0);
    while (run.answered && most <= expected / 2 && runs++ < RUNS_MAX) {
        run = run_timer(target);
        most = run.ticks > most ? run.ticks : most;
        after += run.after;
    }
    tap_ok(run.answered, "cpu %u answers while its timer runs", target);
    tap_ok(most > expected / 2 && most < expected * 3 / 2,
           "a timer of %u Hz ticks about %u times in %lu ms (%u, the most in %u runs)", TIMER_HZ, expected,
           (unsigned long)(TIMER_RUN / NS_PER_MS), most, runs);
    tap_ok(atomic_read(&timer.wrong_cpu) == 0 && after == 0,
           "on its own CPU only, and not after it was stopped (%u, %u)", atomic_read(&timer.wrong_cpu),
           after);
}

/* Each hop of an event from CPU to CPU must find a later time than it left. */
static struct {
    struct work work;
    uint64_t last_ns;
    uint64_t worst_ns; /* by how much time went backwards */
    uint32_t left;     /* atomic */
} time_hops;

static void time_hop(struct work *work)
{
    uint64_t now_ns = tsc_ns();

    if (now_ns < time_hops.last_ns && time_hops.last_ns - now_ns > time_hops.worst_ns)
        time_hops.worst_ns = time_hops.last_ns - now_ns;
    time_hops.last_ns = tsc_ns();
    if (atomic_fetch_sub(&time_hops.left, 1u) > 1)
        event_post((cpu_id() + 1) % cpu_count(), work);
}

TEST(cpu_time)
{
    uint64_t last_ns = tsc_ns();
    bool monotonic = true;

    for (unsigned i = 0; i < 100000; i++) {
        uint64_t now_ns = tsc_ns();

        monotonic = monotonic && now_ns >= last_ns;
        last_ns = now_ns;
    }
    tap_ok(monotonic, "time does not go backwards on one CPU");
    time_hops.work.run = time_hop;
    time_hops.last_ns = time_hops.worst_ns = 0;
    atomic_write(&time_hops.left, 200);
    event_post(0, &time_hops.work);
    tap_ok(wait_until((event_step(), atomic_read(&time_hops.left) == 0), 5 * WAIT_NS) &&
               time_hops.worst_ns == 0,
           "nor from CPU to CPU (%lu ns)", (unsigned long)time_hops.worst_ns);
}
