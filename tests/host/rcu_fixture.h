/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUs for the tests of RCU, all played by one thread that takes their parts in turn. */
#pragma once

#include "lib/rcu.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"

#define CPUS 4u

/* A callback that counts how often it has run, and where it ran last. */
struct counted {
    struct rcu_head head;
    unsigned runs;
    unsigned cpu;
};

void count_run(struct rcu_head *head);

/* Setup and teardown of cmocka: all CPUs come online; all go. */
int all_online(void **state);
int all_offline(void **state);

/* One quiescent state of a CPU; of all; of all but CPU 0 (a hook for host_set_relax()). The part is CPU 0's
 * afterwards. */
void quiescent_on(unsigned cpu);
void all_pass(void);
void others_pass(void);
