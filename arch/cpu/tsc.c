/* SPDX-License-Identifier: BSD-2-Clause */
/* Time from the time stamp counter: its frequency, its scale, and what CPUs' counters differ by. */
#include "arch/cpu/tsc.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/tsc_calibrate.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/units.h"

/* Until it is measured: faster than any CPU, so that time is slow. */
#define ASSUMED_HZ 8000000000ull

#define SYNC_ROUNDS  16
#define SYNC_WAIT_NS NS_PER_S

#define SCALE(hz) ((NS_PER_S << 32) / (hz))

/* ns = base_ns + (TSC + offset - base_tsc) * scale / 2^32. Written before there are other CPUs. */
static struct {
    uint64_t base_tsc;
    uint64_t base_ns;
    uint64_t scale;
    uint64_t hz;
    const char *source;
} clock = {.scale = SCALE(ASSUMED_HZ), .hz = ASSUMED_HZ, .source = "assumed"};

/* Questions and answers, in rounds that are numbered on from CPU to CPU: who asks sets asked to the next
 * number, who serves sets answered to it. */
static struct {
    uint32_t asked CACHE_ALIGNED;
    uint32_t answered CACHE_ALIGNED;
    uint64_t answer; /* the server's TSC; published by answered */
} sync;

uint64_t tsc_ns(void)
{
    uint64_t cycles = rdtsc_ordered() + (uint64_t)cpu_this()->tsc_offset - clock.base_tsc;

    /* An offset that is a little too low must not make the first times of a CPU huge ones. */
    if ((int64_t)cycles < 0)
        return clock.base_ns;
    return clock.base_ns + (uint64_t)((unsigned __int128)cycles * clock.scale >> 32);
}

uint64_t tsc_hz(void)
{
    return clock.hz;
}

const char *tsc_source(void)
{
    return clock.source;
}

void tsc_init(uint16_t pm_timer_port)
{
    uint64_t hz = 0;
    const char *source = tsc_calibrate(pm_timer_port, &hz);
    uint64_t now_ns = tsc_ns();

    if (!source) {
        log_error("tsc: no clock to measure it against; times and deadlines are wrong");
        return;
    }
    clock.base_tsc = rdtsc_ordered();
    clock.base_ns = now_ns;
    clock.scale = SCALE(hz);
    clock.hz = hz;
    clock.source = source;
    log_info("tsc: %lu.%03lu MHz by %s%s", (unsigned long)(hz / 1000000), (unsigned long)(hz / 1000 % 1000),
             source, cpu_features.invariant_tsc ? "" : "; not invariant: it may change with the CPU's clock");
}

bool tsc_sync_serve(void)
{
    uint32_t last = sync.answered + SYNC_ROUNDS;

    for (uint32_t round = sync.answered + 1; round <= last; round++) {
        if (!wait_until(atomic_read_acquire(&sync.asked) == round, SYNC_WAIT_NS))
            return false;
        sync.answer = rdtsc_ordered();
        atomic_write_release(&sync.answered, round);
    }
    return true;
}

/* The question that it left would pass for the next CPU's first, answered before that one asked it. */
void tsc_sync_give_up(void)
{
    atomic_write_release(&sync.answered, atomic_read(&sync.asked) + SYNC_ROUNDS);
}

/* One round: the server's TSC less this CPU's at the same time, to within half of *window. False if nobody
 * serves any more. */
static bool ask_once(uint32_t round, int64_t *difference, uint64_t *window)
{
    uint64_t before = rdtsc_ordered();
    uint64_t after;

    atomic_write_release(&sync.asked, round);
    while (atomic_read_acquire(&sync.answered) != round) {
        /* Cycles, since this CPU's time is not set yet. */
        if (rdtsc_ordered() - before > clock.hz * (SYNC_WAIT_NS / NS_PER_S))
            return false;
        cpu_pause();
    }
    after = rdtsc_ordered();
    *window = after - before;
    *difference = (int64_t)(sync.answer - (before + *window / 2));
    return true;
}

void tsc_sync_ask(void)
{
    uint32_t done = atomic_read(&sync.answered);
    uint64_t best_window = ~0ull;
    int64_t best = 0;

    for (uint32_t round = done + 1; round <= done + SYNC_ROUNDS; round++) {
        int64_t difference;
        uint64_t window;

        if (!ask_once(round, &difference, &window))
            return;
        if (window < best_window) {
            best_window = window;
            best = difference;
        }
    }
    /* Less than the measurement can tell is no difference: counters that started together are left alone. */
    if ((uint64_t)(best < 0 ? -best : best) > best_window)
        cpu_this()->tsc_offset = best;
}
