/* SPDX-License-Identifier: BSD-2-Clause */
/* What an invalidation queue needs of its error handling; for queue.c. */
#pragma once

#include "iommu/vtd/queue.h"

static inline unsigned vtd_queue_next(unsigned slot)
{
    return (slot + 1) % VTD_QUEUE_SLOTS;
}

/* Tells the unit how far the queue is filled. */
static inline void vtd_queue_kick(struct vtd_queue *queue)
{
    vtd_write64(queue->registers, VTD_IQT, queue->tail * sizeof(struct vtd_descriptor));
}

/* If the unit has stopped at an error: makes it go on, and marks the batches that suffered (6.5.2.10).
 * Whoever waits calls it, without the lock; nobody else's wait is lost by that. */
void vtd_queue_recover(struct vtd_queue *queue);
