/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU by quiescent states (QSBR): who reads pays nothing, who frees waits until every CPU has been in a
 * quiescent state. docs/rcu.md has the algorithm and its ordering.
 *
 * A CPU runs events to completion; the top of its event loop is its quiescent state. Unless it says otherwise
 * a function may be called on any CPU that is online, outside read sections, not in an interrupt handler. */
#pragma once

#include "lib/atomic.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include <stdbool.h>
#include <stdint.h>

struct rcu_head {
    struct rcu_head *next;
    void (*run)(struct rcu_head *head);
};

#ifdef LULL_DEBUG
void rcu_read_lock_debug(void);
void rcu_read_unlock_debug(void);
#else
static inline void rcu_read_lock_debug(void)
{
}

static inline void rcu_read_unlock_debug(void)
{
}
#endif

/* Begins and ends a read section; they nest. Inside, what rcu_dereference() gave stays; nothing there may
 * wait or report a quiescent state. Costs no instruction. Not in an interrupt handler. */
static ALWAYS_INLINE void rcu_read_lock(void)
{
    rcu_read_lock_debug();
    compiler_barrier();
}

static ALWAYS_INLINE void rcu_read_unlock(void)
{
    compiler_barrier();
    rcu_read_unlock_debug();
}

/* Reads, and publishes, a pointer or an entry that RCU protects. */
#define rcu_dereference(p)           atomic_read_acquire(p)
#define rcu_assign_pointer(p, value) atomic_write_release((p), (value))

/* Before a CPU's first read section, on that CPU; and when it goes for good, after which another has its
 * callbacks. */
void rcu_cpu_online(void);
void rcu_cpu_offline(void);

/* This CPU holds no reference that RCU protects. Also starts the grace period that this CPU's callbacks wait
 * for, and runs those whose grace period is over. */
void rcu_quiescent(void);

/* For events that take long: rcu_quiescent() if somebody has asked this CPU to hurry (rcu_expedite()), else
 * two loads. */
void rcu_safe_point(void);

/* From enter to exit this CPU reads nothing that RCU protects (hlt, a guest), so nobody waits for it, and
 * nobody disturbs it. enter is refused, with false, while callbacks wait on this CPU: it polls
 * rcu_quiescent() until they have run (before hlt), or hands them over (before a guest). Interrupts may be
 * off. */
bool rcu_extended_enter(void) MUST_CHECK;
void rcu_extended_exit(void);

/* Gives this CPU's callbacks to one that stays, for the sake of a long absence. Where all others are in
 * extended quiescence it runs them itself, as their grace period is then over at once. */
void rcu_hand_over(void);

/* Callbacks wait on this CPU. */
bool rcu_callbacks_pending(void);

/* Runs head->run(head) after a grace period, on this CPU or on one that took over from it, outside read
 * sections. Also inside a read section. run must not wait for RCU. */
void call_rcu(struct rcu_head *head, void (*run)(struct rcu_head *head));

/* Waits for a grace period: every read section that was open when this was called has ended. Reports this
 * CPU's own quiescent states while it waits. */
void synchronize_rcu(void);

/* The same, and asks CPUs in long events to report at their next safe point. */
void synchronize_rcu_expedited(void);

/* Waits until every callback queued before, on any CPU, has run. */
void rcu_barrier(void);

/* The number of a grace period that begins after this call; and whether it is over. Also inside read
 * sections. */
uint64_t rcu_get_state(void) MUST_CHECK;
bool rcu_poll(uint64_t state) MUST_CHECK;

/* Asks the CPUs that this grace period waits for to report at their next safe point; interrupts nobody. */
void rcu_expedite(uint64_t state);

/* After so long a wait for a CPU (21 s unless set, 0 for never) the log names it, once a stall, with the
 * instruction that it is at. */
void rcu_set_stall_ns(uint64_t ns);

struct rcu_stats {
    uint64_t grace_periods;  /* started, ever; as all of these */
    uint64_t reports;        /* quiescent states that a CPU had to write down */
    uint64_t callbacks;      /* queued */
    uint64_t callbacks_done; /* run */
    uint64_t handed_over;    /* callbacks moved to another CPU */
    uint64_t nudges;         /* CPUs asked to hurry */
    uint64_t stalls;
};

/* Sums over all CPUs. Not a snapshot: the numbers move while they are read. */
void rcu_stats(struct rcu_stats *stats);
