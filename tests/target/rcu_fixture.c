/* SPDX-License-Identifier: BSD-2-Clause */
/* What the suites of RCU share. */
#include "tests/target/rcu_fixture.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "lib/platform.h"
#include "lib/tap.h"

bool need_cpus(unsigned count)
{
    if (cpu_count() >= count)
        return true;
    tap_skip("needs %u CPUs", count);
    return false;
}

void spin_events(uint64_t ns)
{
    uint64_t end = platform_time_ns() + ns;

    while (platform_time_ns() < end)
        event_step();
}
