/* SPDX-License-Identifier: BSD-2-Clause */
/* One piece of work in many parts, on as many CPUs as have time. */
#pragma once

#include <stdint.h>

/* Calls part(argument, n) once for each n below parts: on this CPU, and on those that sleep when it is
 * called, each taking the next part that nobody has taken. So a CPU that comes late, or not at all, holds up
 * nothing but the part that it is at. Returns when all calls have returned, all that they wrote before what
 * comes then. One such run at a time has help; another one beside it is done by its own CPU alone. part may
 * do what an event may. Outside read sections; not in an interrupt handler. */
void parallel_run(unsigned parts, void (*part)(void *argument, unsigned n), void *argument);

/* Parts that other CPUs than their caller's have done, ever. */
uint64_t parallel_helped(void);
