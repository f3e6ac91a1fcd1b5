/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU under torture: `rcu-torture SECONDS [SEED]`. Reports in TAP; ends early once a reader has seen what it
 * must not. */
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu_pages.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/torture/torture.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Small, so that pages come back soon under a reader that is late, and memory runs out now and then. */
#define ARENA   (4 * MIB)
#define BACKLOG 256

/* A third of the time goes to the race at the return from idle. */
#define IDLE_SHARE 3

static unsigned checks, failures;

PRINTF_LIKE(2, 3) static void check(bool ok, const char *format, ...)
{
    va_list arguments;

    printf("%sok %u - ", ok ? "" : "not ", ++checks);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    failures += !ok;
}

static void play(uint64_t ns, uint64_t seed)
{
    struct player players[CPUS];
    pthread_t threads[CPUS];
    uint64_t end = platform_time_ns() + ns;

    for (unsigned cpu = UPDATER_CPU; cpu < CPUS; cpu++) {
        players[cpu] = (struct player){cpu, random_seeded(seed + cpu)};
        if (pthread_create(&threads[cpu], NULL, cpu < READER_CPU ? updater : reader, &players[cpu]))
            abort();
    }
    while (!atomic_read(&stop) && platform_time_ns() < end)
        usleep(1000);
    atomic_write(&stop, 1u);
    for (unsigned cpu = UPDATER_CPU; cpu < CPUS; cpu++)
        pthread_join(threads[cpu], NULL);
}

static void check_readers(void)
{
    check(tally.too_old == 0 && tally.dead == 0,
          "no reader sees an object after its grace period: %" PRIu64 " looks, %" PRIu64
          " at one too old, %" PRIu64 " at one that was freed",
          tally.looks, tally.too_old, tally.dead);
    check(tally.early == 0, "no barrier and no callback comes too early: %" PRIu64, tally.early);
}

/* Once every thread has gone and a barrier has been waited for. */
static void check_balance(uint64_t free_pages_before)
{
    struct rcu_pages_stats pages;
    struct page_alloc_stats memory;
    struct rcu_stats stats;

    rcu_stats(&stats);
    rcu_pages_stats(&pages);
    page_alloc_stats(&memory);
    check(stats.callbacks == stats.callbacks_done, "callbacks: %" PRIu64 " queued, %" PRIu64 " run",
          stats.callbacks, stats.callbacks_done);
    check(pages.queued == pages.freed, "pages: %" PRIu64 " queued, %" PRIu64 " freed", pages.queued,
          pages.freed);
    check(tally.made == tally.freed, "objects: %" PRIu64 " made, %" PRIu64 " freed", tally.made, tally.freed);
    check(memory.free_pages == free_pages_before, "free pages: %" PRIu64 ", %" PRIu64 " before",
          memory.free_pages, free_pages_before);
}

/* A run that left something out has shown nothing about it. */
static void check_coverage(void)
{
    const struct {
        const char *what;
        uint64_t times;
    } ways[] = {
        {"by callbacks", tally.by_call},
        {"as lists of pages", tally.by_pages},
        {"after a wait", tally.by_wait},
        {"after an expedited wait", tally.by_expedited},
        {"after polling", tally.by_poll},
        {"barriers", tally.barriers},
        {"naps", tally.naps},
        {"absences", tally.absences},
        {"departures", tally.departures},
    };
    struct rcu_stats stats;

    rcu_stats(&stats);
    for (unsigned i = 0; i < ARRAY_SIZE(ways); i++)
        check(ways[i].times > 0, "%s: %" PRIu64 " times", ways[i].what, ways[i].times);
    check(stats.handed_over > 0, "callbacks handed over: %" PRIu64, stats.handed_over);
    check(stats.nudges > 0, "nudges: %" PRIu64, stats.nudges);
    check(stats.grace_periods > 100, "grace periods: %" PRIu64, stats.grace_periods);
    printf("# the pool ran dry %" PRIu64 " times\n", tally.dry);
}

/* This CPU is in extended quiescence while the others play. */
static void torture(uint64_t ns, uint64_t seed)
{
    struct page_alloc_stats before;
    struct idle_race race;

    page_alloc_stats(&before);
    rcu_cpu_online();
    if (!rcu_extended_enter())
        abort();
    race = idle_race(ns / IDLE_SHARE);
    play(ns - ns / IDLE_SHARE, seed);
    rcu_extended_exit();
    rcu_barrier();
    check(race.returns > 0 && race.dead == 0,
          "who returns from idle sees no dead object: %" PRIu64 " returns in %" PRIu64 " ms, %" PRIu64
          " dead",
          race.returns, race.ms, race.dead);
    check_readers();
    if (race.dead == 0 && tally.too_old == 0 && tally.dead == 0 && tally.early == 0) {
        check_balance(before.free_pages);
        check_coverage();
    }
    rcu_cpu_offline();
}

int main(int argc, char **argv)
{
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : platform_time_ns();

    if (!seconds) {
        fprintf(stderr, "usage: %s SECONDS [SEED]\n", argv[0]);
        return 2;
    }
    host_memory_init(ARENA);
    page_alloc_set_reclaim(rcu_pages_reclaim);
    rcu_set_backlog_pages(BACKLOG);
    rcu_set_stall_ns(0); /* a machine with other work to do is no stall */
    printf("# seed %" PRIu64 "\n", seed);
    torture(seconds * NS_PER_S, seed);
    printf("1..%u\n", checks);
    return failures ? 1 : 0;
}
