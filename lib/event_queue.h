/* SPDX-License-Identifier: BSD-2-Clause */
/* Events that wait for their time: what a platform makes platform_event_post() of. */
#pragma once

#include "lib/compiler.h"
#include "lib/platform.h"
#include <stdbool.h>
#include <stdint.h>

/* Queues the event for platform_time_ns() + delay_ns, or, if it is queued, for that if that is earlier. Any
 * context. */
void event_queue_post(struct platform_event *event, uint64_t delay_ns);

/* Whether an event is due. Any context. */
bool event_queue_due(void) MUST_CHECK;

/* Runs one event that is due, the one queued first of them; false if none is. As an event: outside interrupt
 * handlers and read sections. */
bool event_queue_run(void);
