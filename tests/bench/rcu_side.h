/* SPDX-License-Identifier: BSD-2-Clause */
/* What is measured of an RCU. rcu_side.c has the loops, and is compiled once for ours and once for the peer.
 *
 * The measuring thread is on CPU 0; a function that returns nanoseconds does what it says n times. */
#pragma once

#include <stdint.h>

struct rcu_side {
    /* For the measuring thread, before all else and after. */
    void (*begin)(void);
    void (*end)(void);

    uint64_t (*read)(unsigned n);      /* section with one look through a pointer */
    uint64_t (*quiescent)(unsigned n); /* while nobody waits */
    uint64_t (*report)(unsigned n);    /* start of a grace period, and the quiescent state that sees it */
    uint64_t (*absence)(unsigned n);   /* into extended quiescence (offline) and back */

    uint64_t (*synchronize)(unsigned n);
    uint64_t (*synchronize_1)(unsigned n); /* with 1 and 3 threads that read and report in a loop */
    uint64_t (*synchronize_3)(unsigned n);

    uint64_t (*call)(unsigned n);      /* queue a callback, not run it */
    uint64_t (*callbacks)(unsigned n); /* from queueing the first of n to the end of the last */
    uint64_t (*frees)(unsigned n);     /* the same with malloc() and free() */
    uint64_t (*frees_1_reader)(unsigned n);
};

extern const struct rcu_side rcu_ours, rcu_peer;

/* Which worker thread runs the peer's callbacks from here on, on CPU 1: the default one, which sleeps until
 * it is woken, or one that polls (URCU_CALL_RCU_RT). */
void rcu_peer_worker_default(void);
void rcu_peer_worker_polling(void);
void rcu_peer_worker_none(void);
