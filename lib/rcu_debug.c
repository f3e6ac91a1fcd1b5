/* SPDX-License-Identifier: BSD-2-Clause */
/* What RCU checks in debug builds: read sections that nest and end, and nothing in them that waits. */
#include "lib/rcu_cpu.h"

#ifdef LULL_DEBUG

void rcu_read_lock_debug(void)
{
    struct rcu_cpu *cpu = rcu_this_cpu();

    if (platform_in_interrupt())
        platform_panic("rcu: read section in an interrupt handler on cpu %u", platform_cpu_id());
    if (!cpu->seen)
        platform_panic("rcu: read section on cpu %u, which is offline or in extended quiescence",
                       platform_cpu_id());
    cpu->nesting++;
}

void rcu_read_unlock_debug(void)
{
    if (rcu_this_cpu()->nesting-- == 0)
        platform_panic("rcu: read section ended on cpu %u, none was open", platform_cpu_id());
}

void rcu_assert_may_queue(const struct rcu_cpu *cpu)
{
    if (platform_in_interrupt())
        platform_panic("rcu: a callback queued in an interrupt handler on cpu %u", platform_cpu_id());
    if (!cpu->seen)
        platform_panic("rcu: a callback queued on cpu %u, which is offline or in extended quiescence",
                       platform_cpu_id());
}

void rcu_assert_may_report(const struct rcu_cpu *cpu, const char *what)
{
    if (cpu->nesting)
        platform_panic("rcu: %s inside a read section on cpu %u", what, platform_cpu_id());
    if (platform_in_interrupt())
        platform_panic("rcu: %s in an interrupt handler on cpu %u", what, platform_cpu_id());
    if (cpu->running)
        platform_panic("rcu: %s inside a callback on cpu %u", what, platform_cpu_id());
    if (!cpu->seen)
        platform_panic("rcu: %s on cpu %u, which is offline or in extended quiescence", what,
                       platform_cpu_id());
}

#endif
