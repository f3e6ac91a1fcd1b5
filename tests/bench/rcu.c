/* SPDX-License-Identifier: BSD-2-Clause */
/* Our RCU against liburcu's QSBR flavour: `make bench PART=rcu`. docs/bench.md says what the numbers mean. */
#include "tests/bench/bench.h"
#include "tests/bench/rcu_side.h"

#define COMPARE(what, member, times, repeats)                                                                \
    bench_compare(&(struct bench_case){                                                                      \
        .name = (what), .ours = rcu_ours.member, .peer = rcu_peer.member, .n = (times), .runs = (repeats)})

/* Few objects a run where only the queueing is timed: what a cache holds. Many where the end is waited for:
 * liburcu's workers sleep for 10 ms between batches, which would otherwise be all that is seen. */
#define CALLS     20000
#define CALLBACKS 2000000
#define FREES     1000000

static void costs(void)
{
    COMPARE("rcu.read", read, 100000, 201);
    COMPARE("rcu.quiescent", quiescent, 100000, 201);
    COMPARE("rcu.report", report, 10000, 201);
    COMPARE("rcu.absence", absence, 10000, 201);
    COMPARE("rcu.synchronize_0", synchronize, 1000, 201);
    COMPARE("rcu.synchronize_1", synchronize_1, 200, 401);
    rcu_peer_worker_default();
    COMPARE("rcu.call", call, CALLS, 41);
    rcu_peer_worker_polling();
    COMPARE("rcu.call_polling", call, CALLS, 41);
    rcu_peer_worker_none();
}

static void ends(void)
{
    COMPARE("rcu.synchronize_3", synchronize_3, 10, 25);
    rcu_peer_worker_default();
    COMPARE("rcu.callbacks", callbacks, CALLBACKS, 7);
    COMPARE("rcu.frees", frees, FREES, 7);
    COMPARE("rcu.frees_1_reader", frees_1_reader, FREES, 7);
    rcu_peer_worker_polling();
    COMPARE("rcu.callbacks_polling", callbacks, CALLBACKS, 7);
    COMPARE("rcu.frees_polling", frees, FREES, 7);
    COMPARE("rcu.frees_polling_1_reader", frees_1_reader, FREES, 7);
    rcu_peer_worker_none();
}

/* An argument leaves out what takes long. */
int main(int argc, char **argv)
{
    (void)argv;
    bench_pin(0);
    rcu_ours.begin();
    rcu_peer.begin();
    costs();
    if (argc == 1)
        ends();
    rcu_ours.end();
    rcu_peer.end();
    return 0;
}
