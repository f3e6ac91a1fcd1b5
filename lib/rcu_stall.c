/* SPDX-License-Identifier: BSD-2-Clause */
/* Who holds a grace period up: named once a stall. */
#include "lib/log.h"
#include "lib/rcu_cpu.h"
#include "lib/units.h"

static uint64_t stall_ns = 21 * NS_PER_S;

void rcu_set_stall_ns(uint64_t ns)
{
    atomic_write(&stall_ns, ns);
}

/* A stall lasts as long as the CPU's `seen` stays what it is. True for the first who comes to report it. */
static bool claim(struct rcu_cpu *cpu, uint64_t seen)
{
    uint64_t stalled = atomic_read(&cpu->stalled);

    return stalled != seen && atomic_compare_exchange(&cpu->stalled, &stalled, seen);
}

void rcu_check_stall(uint64_t grace_period, uint64_t since_ns)
{
    uint64_t limit_ns = atomic_read(&stall_ns);
    uint64_t waited_ns = platform_time_ns() - since_ns;
    unsigned end = rcu_cpu_end();

    if (!limit_ns || waited_ns < limit_ns)
        return;
    for (unsigned i = 0; i < end; i++) {
        uint64_t seen = atomic_read(&rcu_cpus[i].seen);

        if (!seen || seen >= grace_period || !claim(&rcu_cpus[i], seen))
            continue;
        rcu_count(&rcu_this_cpu()->stats.stalls, 1);
        log_warn("rcu: cpu %u has not been in a quiescent state for %lu ms; it is at %#lx", i,
                 (unsigned long)(waited_ns / NS_PER_MS), (unsigned long)platform_cpu_where(i));
    }
}
