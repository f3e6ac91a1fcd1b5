/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of the few events that wait, in the order in which they were posted. */
#include "lib/event_queue.h"
#include "lib/spinlock.h"
#include <stddef.h>

static struct spinlock lock; /* taken in interrupts too */
static struct platform_event *first;

/* The last link of the list. Under the lock, as the next one. */
static struct platform_event **end(void)
{
    struct platform_event **link = &first;

    while (*link)
        link = &(*link)->next;
    return link;
}

/* The link to the first event that is due; to NULL if none is. */
static struct platform_event **find_due(void)
{
    struct platform_event **link = &first;
    uint64_t now = first ? platform_time_ns() : 0;

    while (*link && (*link)->due_ns > now)
        link = &(*link)->next;
    return link;
}

void event_queue_post(struct platform_event *event, uint64_t delay_ns)
{
    uint64_t due_ns = platform_time_ns() + delay_ns;
    uint64_t saved = spin_lock_irq(&lock);

    if (!event->queued) {
        event->queued = true;
        event->due_ns = due_ns;
        event->next = NULL;
        *end() = event;
    } else if (due_ns < event->due_ns) {
        event->due_ns = due_ns;
    }
    spin_unlock_irq(&lock, saved);
}

bool event_queue_due(void)
{
    uint64_t saved = spin_lock_irq(&lock);
    bool due = *find_due() != NULL;

    spin_unlock_irq(&lock, saved);
    return due;
}

bool event_queue_run(void)
{
    uint64_t saved = spin_lock_irq(&lock);
    struct platform_event **link = find_due();
    struct platform_event *event = *link;

    if (event) {
        *link = event->next;
        event->queued = false;
    }
    spin_unlock_irq(&lock, saved);
    if (event)
        event->run(event);
    return event;
}
