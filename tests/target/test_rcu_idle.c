/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU leaves CPUs in peace: with nobody waiting none does anything for it, and grace periods neither
 * interrupt nor occupy a CPU that is idle. */
#include "arch/cpu/cpu.h"
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/rcu_fixture.h"

#define GRACE_PERIODS 200

static uint64_t interrupts_elsewhere(void)
{
    uint64_t sum = 0;

    for (unsigned cpu = 1; cpu < cpu_count(); cpu++)
        sum += atomic_read(&cpu_get(cpu)->interrupts);
    return sum;
}

static unsigned asleep_elsewhere(void)
{
    unsigned count = 0;

    for (unsigned cpu = 1; cpu < cpu_count(); cpu++)
        count += atomic_read(&cpu_get(cpu)->sleeping);
    return count;
}

TEST(rcu_quiet_when_nobody_waits)
{
    struct rcu_stats before, after;

    rcu_barrier();
    spin_events(20 * NS_PER_MS);
    rcu_stats(&before);
    spin_events(100 * NS_PER_MS);
    rcu_stats(&after);
    tap_ok(after.grace_periods == before.grace_periods && after.reports == before.reports &&
               after.nudges == before.nudges,
           "100 ms of events: %llu grace periods, %llu reports, %llu nudges",
           (unsigned long long)(after.grace_periods - before.grace_periods),
           (unsigned long long)(after.reports - before.reports),
           (unsigned long long)(after.nudges - before.nudges));
}

TEST(rcu_idle_cpus_are_left_in_peace)
{
    unsigned others = cpu_count() - 1;
    struct rcu_stats before, after;
    uint64_t interrupts;

    if (!need_cpus(2))
        return;
    rcu_barrier();
    spin_events(50 * NS_PER_MS);
    tap_ok(asleep_elsewhere() == others, "%u of %u other CPUs sleep", asleep_elsewhere(), others);
    interrupts = interrupts_elsewhere();
    rcu_stats(&before);
    for (unsigned i = 0; i < GRACE_PERIODS; i++)
        synchronize_rcu_expedited();
    rcu_stats(&after);
    interrupts = interrupts_elsewhere() - interrupts;
    tap_ok(after.grace_periods - before.grace_periods == GRACE_PERIODS, "%llu grace periods",
           (unsigned long long)(after.grace_periods - before.grace_periods));
    tap_ok(interrupts == 0, "they interrupt no idle CPU (%llu)", (unsigned long long)interrupts);
    tap_ok(after.reports - before.reports == GRACE_PERIODS, "and take no report of any (%llu in all)",
           (unsigned long long)(after.reports - before.reports));
    tap_ok(asleep_elsewhere() == others, "they sleep still: %u", asleep_elsewhere());
}
