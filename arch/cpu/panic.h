/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of the run because something is wrong that must not be: all that is known goes to the console, then
 * the run ends. */
#pragma once

#include "lib/compiler.h"

struct trap_frame;

/* Stops the other CPUs and prints the message, registers, a backtrace with names, where the other CPUs were,
 * and the last lines of the log. Any CPU, any context, NMI too. */
NORETURN void panic(const char *format, ...) PRINTF_LIKE(1, 2);

/* The same for an exception; interrupt.c calls it. */
NORETURN void panic_exception(const struct trap_frame *frame);

/* What ends the run after a panic (debug exit, reboot, power-off, by choice). It may return, or never be set:
 * then the CPU halts. */
void panic_set_end(void (*end)(void));
