/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUs for the tests of RCU. */
#include "tests/host/rcu_fixture.h"

void count_run(struct rcu_head *head)
{
    struct counted *counted = CONTAINER_OF(head, struct counted, head);

    counted->runs++;
    counted->cpu = platform_cpu_id();
}

void quiescent_on(unsigned cpu)
{
    host_set_cpu(cpu);
    rcu_quiescent();
    host_set_cpu(0);
}

void all_pass(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        quiescent_on(cpu);
}

void others_pass(void)
{
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        quiescent_on(cpu);
}

int all_online(void **state)
{
    (void)state;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        host_set_cpu(cpu);
        rcu_cpu_online();
    }
    host_set_cpu(0);
    return 0;
}

int all_offline(void **state)
{
    (void)state;
    host_set_relax(NULL);
    host_set_time_ns(0);
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        host_set_cpu(cpu);
        rcu_cpu_offline();
    }
    host_set_cpu(0);
    return 0;
}
