/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts interrupts. */
#include "tests/target/arrivals.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "lib/atomic.h"
#include "lib/deadline.h"

void arrivals_handler(void *context)
{
    struct arrivals *arrivals = context;

    atomic_write(&arrivals->cpu, cpu_id());
    atomic_fetch_add(&arrivals->count, 1u);
}

uint32_t arrivals_count(const struct arrivals *arrivals)
{
    return atomic_read(&arrivals->count);
}

bool arrivals_wait(const struct arrivals *arrivals, uint32_t before, uint64_t ns)
{
    return wait_until((event_step(), arrivals_count(arrivals) > before), ns);
}
