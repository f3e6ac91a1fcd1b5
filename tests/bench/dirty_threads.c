/* SPDX-License-Identifier: BSD-2-Clause */
/* One harvest by two threads, each with half of the range and the same bitmap. */
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/bench/bench.h"
#include "tests/bench/dirty_world.h"
#include "tests/bench/platform.h"
#include <pthread.h>

#define DEADLINE (30 * NS_PER_S)

enum stage { MADE, READY, GO, DONE };

struct half {
    struct dirty_world *world;
    unsigned flags;
    enum stage stage; /* atomic */
};

static void wait_for(struct half *half, enum stage stage)
{
    uint64_t start = bench_now_ns();

    while (atomic_read_acquire(&half->stage) != stage) {
        if (bench_now_ns() - start > DEADLINE)
            bench_fail("a thread does not come to its end");
        platform_relax();
    }
}

static void harvest_half(const struct half *half, unsigned which)
{
    const struct dirty_world *world = half->world;
    uint64_t bytes = world->bytes / 2;

    (void)world->trees[DIRTY_OURS].side->harvest(which * bytes, bytes, world->found, half->flags);
}

static void *second(void *context)
{
    struct half *half = context;

    bench_pin(1);
    bench_platform_set_cpu(1);
    rcu_cpu_online();
    atomic_write_release(&half->stage, READY);
    wait_for(half, GO);
    harvest_half(half, 1);
    atomic_write_release(&half->stage, DONE);
    rcu_cpu_offline();
    return NULL;
}

uint64_t dirty_time_threads(struct dirty_world *world, const struct dirty_pass *pass)
{
    struct half half = {world, pass->flags, MADE};
    pthread_t thread;
    uint64_t start, ns;

    dirty_prepare(world, DIRTY_OURS, pass->from_memory);
    if (pthread_create(&thread, NULL, second, &half))
        bench_fail("no thread");
    wait_for(&half, READY);
    start = bench_now_ns();
    atomic_write_release(&half.stage, GO);
    harvest_half(&half, 0);
    wait_for(&half, DONE);
    ns = bench_now_ns() - start;
    pthread_join(thread, NULL);
    dirty_check(world);
    return ns;
}
