/* SPDX-License-Identifier: BSD-2-Clause */
/* What RCU keeps of each CPU: for the files of lib/rcu*.c only. */
#pragma once

#include "lib/platform.h"
#include "lib/rcu.h"

/* Callbacks that wait for the same grace period, oldest first. */
struct rcu_segment {
    struct rcu_head *first;
    struct rcu_head **end; /* where the next one is linked */
};

/* An inbox that takes nothing: its CPU is offline or in extended quiescence, and has no callbacks. */
#define RCU_INBOX_CLOSED ((struct rcu_head *)1)

struct rcu_cpu {
    /* The newest grace period at this CPU's last report; 0 while offline or extended. Written by this CPU
     * alone. */
    uint64_t seen CACHE_ALIGNED;

    /* This CPU's own. */
    uint64_t settled CACHE_ALIGNED; /* `seen` when nothing was left to do here; 0 while callbacks wait */
    struct rcu_segment waiting;     /* for the grace period `waiting_for` */
    struct rcu_segment next;        /* queued since: its number is not drawn yet */
    uint64_t waiting_for;
    uint64_t waiting_since_ns;
    unsigned polls;   /* of that grace period */
    unsigned nesting; /* read sections open, in debug builds */
    bool running;     /* callbacks, which must not wait */
    struct rcu_stats stats;

    /* Written by others, seldom. */
    struct rcu_head *inbox CACHE_ALIGNED; /* a stack of callbacks handed to this CPU, or RCU_INBOX_CLOSED */
    uint32_t hurry;                       /* somebody waits: rcu_safe_point() reports */
    uint64_t stalled;                     /* `seen` when this CPU was last named for a stall */
};

extern struct rcu_cpu rcu_cpus[PLATFORM_CPUS_MAX];

static inline struct rcu_cpu *rcu_this_cpu(void)
{
    return &rcu_cpus[platform_cpu_id()];
}

/* Adds to a number of this CPU's own, which others read. */
static inline void rcu_count(uint64_t *number, uint64_t by)
{
    atomic_write(number, *number + by);
}

/* Starts a grace period and returns its number. */
uint64_t rcu_start(void);

/* Asks every other CPU that reports to hurry, also those whose callbacks are waited for rather than their
 * readers. */
void rcu_expedite_all(void);

/* Above every CPU that ever came online. */
unsigned rcu_cpu_end(void);

/* lib/rcu_debug.c: ends the run, in debug builds, in a place that must not report or wait. */
#ifdef LULL_DEBUG
void rcu_assert_may_report(const struct rcu_cpu *cpu, const char *what);
void rcu_assert_may_queue(const struct rcu_cpu *cpu);
#else
static inline void rcu_assert_may_queue(const struct rcu_cpu *cpu)
{
    (void)cpu;
}

static inline void rcu_assert_may_report(const struct rcu_cpu *cpu, const char *what)
{
    (void)cpu;
    (void)what;
}
#endif

/* lib/rcu_callbacks.c: what rcu_quiescent() does when callbacks wait on this CPU, or in its inbox. */
void rcu_callbacks_init(struct rcu_cpu *cpu);
void rcu_callbacks_advance(struct rcu_cpu *cpu);

static inline bool rcu_cpu_has_callbacks(const struct rcu_cpu *cpu)
{
    return cpu->waiting.first || cpu->next.first || atomic_read(&cpu->inbox);
}

/* lib/rcu_stall.c: somebody has waited for a grace period since then. */
void rcu_check_stall(uint64_t grace_period, uint64_t since_ns);
