/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread that runs liburcu's callbacks. Ours needs none: a CPU runs its own at its quiescent states. */
#define BENCH_PEER
#include "tests/bench/bench.h"
#include "tests/bench/rcu_api.h"
#include "tests/bench/rcu_side.h"

#define WORKER_CPU 1

static struct call_rcu_data *worker;

void rcu_peer_worker_none(void)
{
    if (!worker)
        return;
    set_thread_call_rcu_data(NULL);
    /* Waits for the worker, which may wait for this thread. */
    rcu_thread_offline();
    call_rcu_data_free(worker);
    rcu_thread_online();
    worker = NULL;
}

static void use(unsigned long flags)
{
    rcu_peer_worker_none();
    worker = create_call_rcu_data(flags, WORKER_CPU);
    if (!worker)
        bench_fail("no worker for liburcu");
    set_thread_call_rcu_data(worker);
}

void rcu_peer_worker_default(void)
{
    use(0);
}

void rcu_peer_worker_polling(void)
{
    use(URCU_CALL_RCU_RT);
}
