/* SPDX-License-Identifier: BSD-2-Clause */
/* What the suites of RCU share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* False, and the test is skipped, where fewer CPUs run. */
bool need_cpus(unsigned count);

/* Turns of this CPU's loop, so that it is never this CPU which holds a grace period up. */
void spin_events(uint64_t ns);
