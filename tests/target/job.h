/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a function on another CPU, or on several at once, and waiting for it. */
#pragma once

#include "arch/cpu/event.h"
#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

/* Belongs to who started it again once job_wait() has returned. */
struct job {
    struct work work;
    void (*run)(void *context);
    void *context;
    uint32_t done; /* atomic */
};

/* Runs run(context) as one event on a CPU. */
void job_start(struct job *job, unsigned cpu, void (*run)(void *context), void *context);

/* Runs events of this CPU until the job is done. A job that takes longer than a minute is the test's own
 * mistake: panic. */
void job_wait(struct job *job);

/* Runs run(context) once on each CPU, all at once, and waits for all. ERR_NOMEM. */
int job_run_everywhere(void (*run)(void *context), void *context) MUST_CHECK;
