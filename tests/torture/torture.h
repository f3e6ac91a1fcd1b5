/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU under torture on real threads: what its parts share. Each thread is a CPU; they are more than the
 * machine has, so that they are preempted anywhere. */
#pragma once

#include "lib/atomic.h"
#include "lib/rcu.h"
#include "tests/target/random.h"
#include <stdbool.h>
#include <stdint.h>

enum { MAIN_CPU, UPDATER_CPU, UPDATERS = 2, READER_CPU = UPDATER_CPU + UPDATERS, READERS = 3 };

#define CPUS (READER_CPU + READERS)

/* Each updater replaces the objects in slots of its own. */
#define SLOTS_EACH 16u
#define SLOTS      (UPDATERS * SLOTS_EACH)

/* Callbacks that queue the next one: an object is freed after so many grace periods. */
#define GENERATIONS 3

/* One page. All words hold the serial number of the object, which is never 0, from before it is published
 * until it is freed. */
struct object {
    struct rcu_head head;
    uint64_t age; /* atomic: grace periods since it was unlinked that are over */
    uint64_t words[16];
};

/* What all threads count (atomic). */
struct tally {
    uint64_t looks;
    uint64_t too_old; /* looks at an object whose grace period was over */
    uint64_t dead;    /* looks at an object that was freed */
    uint64_t early;   /* barriers that returned, and callbacks that ran, too early */
    uint64_t made;
    uint64_t freed;
    uint64_t by_call, by_pages, by_wait, by_expedited, by_poll;
    uint64_t barriers;
    uint64_t naps, absences, departures; /* extended quiescence: short, long; offline */
    uint64_t dry;                        /* times that the pool was empty and nothing on its way */
};

extern struct object *slots[SLOTS]; /* RCU */
extern struct tally tally;
extern uint32_t stop; /* atomic */

static inline void tally_add(uint64_t *number, uint64_t by)
{
    atomic_fetch_add(number, by);
}

/* object.c: NULL when memory is out and nothing that was freed comes back in time. */
struct object *object_make(void);
void object_free(struct object *object);

/* In a read section, at an object that rcu_dereference() gave: counts it if it is older than it may be, and
 * ends the run then. */
void object_look(struct object *object, unsigned looks);

/* Ages the object after a grace period, some times, each time from a callback that queues the next; then
 * frees it. */
void object_free_in_generations(struct object *object);

/* updater.c, reader.c: bodies of threads. The argument is a struct player. */
struct player {
    unsigned cpu;
    struct random random;
};

void *updater(void *player);
void *reader(void *player);

/* absence.c: hands over, stays in extended quiescence for so long, and returns. */
void be_absent(unsigned us);

/* idle.c: two CPUs race at the return from idle for so long, or until the first finds a dead object. The
 * CPU that runs this is in extended quiescence meanwhile. */
struct idle_race {
    uint64_t returns;
    uint64_t dead; /* looks at a dead object */
    uint64_t ms;   /* that it took */
};

struct idle_race idle_race(uint64_t ns);
