/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUs run events to completion: each CPU's loop takes one piece of work, runs it to its end, and the top of
 * the loop is the CPU's quiescent state. There are no threads. */
#pragma once

#include "lib/compiler.h"
#include "lib/list.h"

struct work {
    struct list link;
    void (*run)(struct work *work);
};

/* Queues work on a CPU, which is woken if it sleeps. work must not be queued already; it is free again when
 * run() is called, so run() may post it anew. Any CPU, also from an interrupt handler. */
void event_post(unsigned cpu, struct work *work);

/* One turn of this CPU's loop, for a command that waits for work of its own CPU or of another: reports a
 * quiescent state, and runs one queued event if there is one. Outside read sections; not in an interrupt
 * handler. */
void event_step(void);

/* The loop. Entered once by each CPU. */
NORETURN void event_loop(void);
