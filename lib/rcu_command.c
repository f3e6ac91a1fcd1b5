/* SPDX-License-Identifier: BSD-2-Clause */
/* The console command "rcu". */
#include "lib/rcu.h"
#include "lib/rcu_pages.h"
#include "lib/shell.h"
#include <inttypes.h>
#include <stdio.h>

static int rcu_command(int argc, char **argv)
{
    struct rcu_pages_stats pages;
    struct rcu_stats stats;

    (void)argc;
    (void)argv;
    rcu_stats(&stats);
    rcu_pages_stats(&pages);
    printf("grace periods %12" PRIu64 " started, %" PRIu64 " reports, %" PRIu64 " nudges, %" PRIu64
           " stalls\n",
           stats.grace_periods, stats.reports, stats.nudges, stats.stalls);
    printf("callbacks     %12" PRIu64 " run, %" PRIu64 " waiting, %" PRIu64 " handed over\n",
           stats.callbacks_done, stats.callbacks - stats.callbacks_done, stats.handed_over);
    printf("pages         %12" PRIu64 " freed, %" PRIu64 " waiting\n", pages.freed,
           pages.queued - pages.freed);
    return 0;
}

SHELL_COMMAND("rcu", "", "grace periods, callbacks and pages that wait for them", rcu_command);
