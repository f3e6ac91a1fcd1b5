/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run asks of the scheduler. */
#pragma once

#include "lib/compiler.h"

/* Makes the stacks; once, before run_save(). */
void schedule_init(void);

/* Starts with one agent, CPU 0 in main, and goes on until no CPU and no device is left, or somebody ends the
 * run. */
void schedule_run(void (*main)(void));

/* Ends the run from within an agent. */
NORETURN void schedule_end(void);
