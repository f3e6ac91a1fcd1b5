/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a function on other CPUs. */

#include "tests/target/job.h"
#include "arch/cpu/cpu.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "lib/units.h"
#include <stdlib.h>

#define WAIT_NS (60 * NS_PER_S)

static void run_job(struct work *work)
{
    struct job *job = CONTAINER_OF(work, struct job, work);

    job->run(job->context);
    /* All that run() did comes before done is set; pairs with the acquire in job_wait(). */
    atomic_write_release(&job->done, 1u);
}

void job_start(struct job *job, unsigned cpu, void (*run)(void *context), void *context)
{
    *job = (struct job){.work = {.run = run_job}, .run = run, .context = context};
    list_init(&job->work.link);
    event_post(cpu, &job->work);
}

void job_wait(struct job *job)
{
    if (!wait_until((event_step(), atomic_read_acquire(&job->done)), WAIT_NS))
        platform_panic("a test's job did not end in %u s", (unsigned)(WAIT_NS / NS_PER_S));
}

int job_run_everywhere(void (*run)(void *context), void *context)
{
    unsigned cpus = cpu_count();
    struct job *jobs = calloc(cpus, sizeof(*jobs));

    if (!jobs)
        return ERR_NOMEM;
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        job_start(&jobs[cpu], cpu, run, context);
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        job_wait(&jobs[cpu]);
    free(jobs);
    return 0;
}
