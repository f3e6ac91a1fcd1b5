/* SPDX-License-Identifier: BSD-2-Clause */
/* Posts CPU 0 an event of its own for those of lib/event_queue.h that are due. */
#include "arch/late_event.h"
#include "arch/cpu/event.h"
#include "lib/atomic.h"
#include "lib/event_queue.h"
#include <stdbool.h>

static void run_late(struct work *work);

static struct work late = {.run = run_late};
static bool posted; /* late is queued, or about to be */

static void post(void)
{
    if (!atomic_exchange(&posted, true))
        event_post(0, &late);
}

/* One at a time, so that other events of the CPU come between. */
static void run_late(struct work *work)
{
    (void)work;
    atomic_write(&posted, false);
    /* Between this and the look at the queue; its partner is the exchange in post(), after the queueing. */
    atomic_fence_full();
    event_queue_run();
    late_events_tick();
}

void late_events_tick(void)
{
    if (event_queue_due())
        post();
}

void platform_event_post(struct platform_event *event, uint64_t delay_ns)
{
    event_queue_post(event, delay_ns);
    if (delay_ns == 0)
        post();
}
