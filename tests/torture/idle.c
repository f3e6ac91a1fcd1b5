/* SPDX-License-Identifier: BSD-2-Clause */
/* The return from idle, as tight as it gets. One CPU leaves extended quiescence and loads a pointer; the
 * other swaps the pointer, finds that nobody is to be waited for, and kills the old object. Without the fence
 * between "I am back" and the load both may miss the other (store buffering). */
#define _GNU_SOURCE /* sched_setaffinity() */
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/torture/torture.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define RACERS 2u
#define CELLS  64u
#define ALIVE  1u
#define DEAD   2u
#define LOOKS  500u /* or 2, 4, 8 times as many */
#define POLLS  2000u
#define STORES 64u /* or 2, 4, 8 times as many: what fills the store buffer best depends on the machine */
#define DIRT   (64 * MIB)

struct cell {
    uint64_t value CACHE_ALIGNED; /* atomic */
};

static struct cell cells[CELLS];
static struct cell *published CACHE_ALIGNED; /* RCU */
static uint32_t over CACHE_ALIGNED;          /* atomic, as the next two */
static uint64_t returns, dead_looks;

/* Each racer on a processor of its own: a busy machine would keep both on one for seconds. */
static void pin(unsigned racer)
{
    cpu_set_t allowed, one;
    unsigned processor = 0;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) || (unsigned)CPU_COUNT(&allowed) < RACERS)
        return; /* they take turns then, and show little */
    for (;; processor++)
        if (CPU_ISSET(processor, &allowed) && racer-- == 0)
            break;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
}

static void racer_begin(uintptr_t racer)
{
    pin((unsigned)racer);
    host_set_cpu((unsigned)racer + 1);
    rcu_cpu_online();
}

static void *racing_updater(void *racer)
{
    racer_begin((uintptr_t)racer);
    for (unsigned i = 1; !atomic_read(&over); i++) {
        struct cell *next = &cells[i % CELLS], *old = published;
        uint64_t state;

        atomic_write(&next->value, ALIVE);
        rcu_assign_pointer(&published, next);
        state = rcu_get_state();
        rcu_quiescent();
        for (unsigned polls = 1; !rcu_poll(state); polls++)
            if (polls % POLLS == 0)
                platform_relax(); /* the reader may need this processor */
        atomic_write(&old->value, DEAD);
    }
    rcu_cpu_offline();
    return NULL;
}

/* Stores that miss every cache, in no order that hardware could foresee: "I am back" waits behind them in the
 * store buffer while loads go ahead. */
static void fill_store_buffer(struct random *random, unsigned stores)
{
    static uint8_t dirt[DIRT];

    for (unsigned i = 0; i < stores; i++)
        *(volatile uint8_t *)&dirt[random_below(random, DIRT / CACHE_LINE) * CACHE_LINE] = 1;
}

static void *racing_reader(void *racer)
{
    struct random random = random_seeded(1);
    uint64_t count = 0, bad = 0;

    racer_begin((uintptr_t)racer);
    while (!atomic_read(&over)) {
        unsigned looks = LOOKS << random_below(&random, 4);
        const struct cell *cell;

        if (!rcu_extended_enter())
            continue;
        fill_store_buffer(&random, STORES << random_below(&random, 4));
        rcu_extended_exit();
        rcu_read_lock();
        cell = rcu_dereference(&published);
        for (unsigned look = 0; look < looks; look++)
            bad += atomic_read(&cell->value) == DEAD;
        rcu_read_unlock();
        count++;
        if (bad)
            break;
    }
    atomic_write(&over, 1u);
    atomic_fetch_add(&returns, count);
    atomic_fetch_add(&dead_looks, bad);
    rcu_cpu_offline();
    return NULL;
}

struct idle_race idle_race(uint64_t ns)
{
    static void *(*const roles[RACERS])(void *racer) = {racing_updater, racing_reader};
    uint64_t start = platform_time_ns(), end = start + ns;
    pthread_t threads[RACERS];

    cells[0].value = ALIVE;
    published = &cells[0];
    for (uintptr_t i = 0; i < RACERS; i++)
        if (pthread_create(&threads[i], NULL, roles[i], (void *)i))
            abort();
    while (!atomic_read(&over) && platform_time_ns() < end)
        usleep(1000);
    atomic_write(&over, 1u);
    for (unsigned i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    return (struct idle_race){returns, dead_looks, (platform_time_ns() - start) / NS_PER_MS};
}
