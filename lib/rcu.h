/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU by quiescent states (QSBR): who reads pays nothing, who frees waits until every CPU has been in a
 * quiescent state.
 *
 * A CPU runs events to completion; the top of its event loop is its quiescent state. lib/rcu.c has the
 * algorithm. */
#pragma once

#include "lib/atomic.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/platform.h"
#include <stdbool.h>
#include <stdint.h>

struct rcu_head {
    struct rcu_head *next;
    void (*run)(struct rcu_head *head);
};

/* Numbers of one CPU, or of all of them together. */
struct rcu_stats {
    uint64_t grace_periods;  /* started; the same for all CPUs */
    uint64_t callbacks;      /* queued, ever */
    uint64_t callbacks_done; /* run, ever */
    uint64_t pages;          /* queued for freeing, ever */
    uint64_t pages_done;     /* freed, ever */
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
 * wait or report a quiescent state. Costs no instruction. */
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

/* Before a CPU's first read section, on that CPU; and when it goes for good, with its callbacks done
 * (rcu_barrier()). */
void rcu_cpu_online(void);
void rcu_cpu_offline(void);

/* This CPU holds no reference that RCU protects. Also starts the grace period that this CPU's callbacks wait
 * for, and runs those whose grace period is over. Outside read sections, not in an interrupt handler. */
void rcu_quiescent(void);

/* From enter to exit this CPU reads nothing that RCU protects (hlt, a guest), so nobody waits for it. enter
 * must not be called while rcu_callbacks_pending(). Interrupts may be off. */
void rcu_extended_enter(void);
void rcu_extended_exit(void);

/* True while this CPU has callbacks that have not run: it must not go idle. */
bool rcu_callbacks_pending(void);

/* Runs head->run(head) on this CPU after a grace period. Any CPU that is online, also inside a read section;
 * not in an interrupt handler. */
void rcu_call(struct rcu_head *head, void (*run)(struct rcu_head *head));

/* Frees every page on the list (struct page, by its link; the list is empty after) after a grace period: one
 * callback for all of them. As rcu_call(). Needs no memory: the head of the callback lives in the first
 * struct page of the list. */
void rcu_free_pages(struct list *pages);

/* Waits for a grace period: every read section that was open when this was called has ended. Reports this
 * CPU's own quiescent state while it waits, so outside read sections only, and not in an interrupt handler.
 */
void rcu_synchronize(void);

/* Waits until every callback queued before, on any CPU, has run. Callers as for rcu_synchronize(). */
void rcu_barrier(void);

/* The state to hand to rcu_poll(), which is true once a grace period has passed since. */
uint64_t rcu_get_state(void) MUST_CHECK;
bool rcu_poll(uint64_t state) MUST_CHECK;

/* Sums over all CPUs. Not a snapshot: the numbers move while they are read. */
void rcu_stats(struct rcu_stats *stats);
