/* SPDX-License-Identifier: BSD-2-Clause */
/* Time from the time stamp counter. */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

/* Finds the TSC's frequency: by CPUID where it says, else against the ACPI PM timer (its port, 0 if there is
 * none), else against the 8254. Once, on CPU 0. Without any of them it warns and assumes. */
void tsc_init(uint16_t pm_timer_port);

/* Nanoseconds since the TSC was 0 or so. Never goes backwards on one CPU; CPUs agree to within what
 * smp_start() could measure. Works from the first instruction on: before tsc_init() it runs slow rather than
 * fast, so a deadline comes late rather than early. */
uint64_t tsc_ns(void);

/* The frequency in Hz, and where it is from. */
uint64_t tsc_hz(void);
const char *tsc_source(void);

/* Measures what a starting CPU's TSC lacks to CPU 0's: CPU 0 serves, at the same time the other asks and sets
 * its own offset. tsc_sync_serve() is false if the other one did not ask within a second. For
 * smp.c, one CPU at a time. tsc_sync_give_up(), after the other one was reset, forgets what it may have
 * asked. */
bool tsc_sync_serve(void) MUST_CHECK;
void tsc_sync_ask(void);
void tsc_sync_give_up(void);
