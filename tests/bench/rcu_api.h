/* SPDX-License-Identifier: BSD-2-Clause */
/* The few names in which the two RCUs differ; the rest is spelt alike. With BENCH_PEER this is liburcu's
 * QSBR flavour, as its fastest users compile it. */
#pragma once

#ifdef BENCH_PEER

#define _LGPL_SOURCE
#define URCU_INLINE_SMALL_FUNCTIONS
#define URCU_API_MAP
#include <urcu/urcu-qsbr.h>

#define SIDE rcu_peer

#define api_dereference(p) rcu_dereference(*(p))

static inline void api_online(unsigned thread)
{
    (void)thread;
    rcu_register_thread();
}

static inline void api_offline(void)
{
    rcu_unregister_thread();
}

static inline void api_quiescent(void)
{
    rcu_quiescent_state();
}

/* It has no function that only starts a grace period. This is less than its synchronize_rcu() does: no lock,
 * and no fence but the one that comes with an atomic addition. */
static inline void api_start(void)
{
    uatomic_add(&urcu_qsbr_gp.ctr, URCU_QSBR_GP_CTR);
}

static inline void api_absence(void)
{
    rcu_thread_offline();
    rcu_thread_online();
}

#else

#include "lib/rcu.h"
#include "tests/bench/bench.h"
#include "tests/bench/platform.h"

#define SIDE rcu_ours

#define api_dereference(p) rcu_dereference(p)

static inline void api_online(unsigned thread)
{
    bench_platform_set_cpu(thread);
    rcu_cpu_online();
}

static inline void api_offline(void)
{
    rcu_cpu_offline();
}

static inline void api_quiescent(void)
{
    rcu_quiescent();
}

static inline void api_start(void)
{
    (void)!rcu_get_state();
}

static inline void api_absence(void)
{
    if (!rcu_extended_enter())
        bench_fail("callbacks are left where there should be none");
    rcu_extended_exit();
}

#endif
