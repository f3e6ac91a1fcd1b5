/* SPDX-License-Identifier: BSD-2-Clause */
/* What an invalidation queue needs of its error handling; for queue.c. */
#pragma once

#include "iommu/vtd/queue.h"
#include <string.h>

static inline unsigned vtd_queue_next(unsigned slot)
{
    return (slot + 1) % VTD_QUEUE_SLOTS;
}

/* Puts a descriptor into the ring. Those that a unit in legacy mode knows have nothing in the second half. */
static inline void vtd_queue_write(struct vtd_queue *queue, unsigned slot, struct vtd_descriptor descriptor)
{
    memcpy(&queue->ring[slot * queue->descriptor_bytes], &descriptor, queue->descriptor_bytes);
}

/* Tells the unit how far the queue is filled. */
static inline void vtd_queue_kick(struct vtd_queue *queue)
{
    vtd_write64(queue->registers, VTD_IQT, queue->tail * queue->descriptor_bytes);
}

/* Batches whose submitters know the result. */
static inline uint64_t vtd_queue_finished(const struct vtd_queue *queue)
{
    return queue->stats.completed + queue->stats.refused + queue->stats.dropped;
}

/* Whether one of the descriptors has to be answered by a device. */
bool vtd_queue_asks_device(const struct vtd_descriptor *descriptors, unsigned count) MUST_CHECK;

/* A batch has waited until its deadline: judges whether the queue stands still. Under the lock; reports
 * whether this is news. */
bool vtd_queue_judge(struct vtd_queue *queue, struct vtd_ticket ticket) MUST_CHECK;

/* Whether the queue stands still, after another look at it. Without the lock. */
bool vtd_queue_stalled(struct vtd_queue *queue) MUST_CHECK;

/* If the unit has stopped at an error: makes it go on, and marks the batches that suffered (6.5.2.10).
 * Whoever waits calls it, without the lock; nobody else's wait is lost by that. */
void vtd_queue_recover(struct vtd_queue *queue);

/* Whose fault it is that a batch was dropped: a device's that it invalidates the TLB of; the unit does not
 * tell, and it may be that; another device's. */
enum vtd_fault_of { VTD_FAULT_OWN, VTD_FAULT_UNKNOWN, VTD_FAULT_OTHER };

/* By the time-outs since it was submitted. Without the lock. */
enum vtd_fault_of vtd_queue_fault_of(struct vtd_queue *queue, const struct vtd_descriptor *descriptors,
                                     unsigned count, struct vtd_ticket ticket) MUST_CHECK;
