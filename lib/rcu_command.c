/* SPDX-License-Identifier: BSD-2-Clause */
/* The console command "rcu". */
#include "lib/rcu.h"
#include "lib/shell.h"
#include <inttypes.h>
#include <stdio.h>

static int rcu_command(int argc, char **argv)
{
    struct rcu_stats stats;

    (void)argc;
    (void)argv;
    rcu_stats(&stats);
    printf("grace periods %12" PRIu64 "\n", stats.grace_periods);
    printf("callbacks     %12" PRIu64 " run, %" PRIu64 " waiting\n", stats.callbacks_done,
           stats.callbacks - stats.callbacks_done);
    printf("pages         %12" PRIu64 " freed, %" PRIu64 " waiting\n", stats.pages_done,
           stats.pages - stats.pages_done);
    return 0;
}

SHELL_COMMAND("rcu", "", "grace periods, callbacks and pages that wait for them", rcu_command);
