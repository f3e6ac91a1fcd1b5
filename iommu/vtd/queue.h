/* SPDX-License-Identifier: BSD-2-Clause */
/* A unit's invalidation queue (6.5.2): batches of descriptors, each ended by a wait descriptor of its own. */
#pragma once

#include "iommu/vtd/descriptor.h"
#include "iommu/vtd/queue_stats.h"
#include "iommu/vtd/regs.h"
#include "lib/compiler.h"
#include "lib/spinlock.h"
#include <stdbool.h>
#include <stdint.h>

#define VTD_QUEUE_SLOTS 256

/* Descriptors that one batch may have, its wait not counted. */
#define VTD_BATCH_MAX 16

/* Time-outs of devices that a queue remembers. */
#define VTD_TIME_OUTS 16

enum vtd_slot_state {
    VTD_SLOT_PLAIN,     /* free, or a descriptor before its batch's wait */
    VTD_SLOT_PENDING,   /* a wait, whose submitter waits for it */
    VTD_SLOT_REFUSED,   /* the same; the unit refused a descriptor of the batch */
    VTD_SLOT_LOST,      /* the unit dropped this wait: its submitter has to submit the batch again */
    VTD_SLOT_AGAIN,     /* the same as soon as it is written: what was before it may have been dropped */
    VTD_SLOT_ABANDONED, /* a wait whose submitter went away at its deadline */
    VTD_SLOT_COLLECTED, /* a wait whose submitter knows the result: its slots may be used again */
};

struct vtd_queue_slot {
    uint8_t state;    /* enum vtd_slot_state; under the lock */
    bool asks_device; /* of a wait: a device has to answer before it completes */
    uint32_t sequence;
};

struct vtd_queue {
    struct vtd_registers registers;
    unsigned unit; /* its number, for the log */
    uint8_t *ring; /* what the unit reads */
    unsigned
        descriptor_bytes; /* 32, or 16 on a unit in legacy mode: then of each descriptor the first half */
    uint32_t *status;     /* one word a slot, and a last one for nobody; what the unit writes */
    struct vtd_queue_slot slots[VTD_QUEUE_SLOTS];
    struct spinlock lock; /* held to copy descriptors and to recover from errors, never while waiting */
    unsigned head;        /* oldest slot in use */
    unsigned tail;        /* first free slot */
    uint32_t sequence;    /* of the newest batch; a wait writes its batch's into its status word */
    bool blocked;         /* somebody waited for room in vain, and no slot came back since */
    bool stalled; /* the unit's head stood still for a whole wait: nothing is submitted until it moves */
    unsigned stalled_head; /* where it stands */
    /* Who did not answer, of the newest: the n-th ITE's is at n % VTD_TIME_OUTS. 0 where the unit does not
     * tell (IQERCD.ITESID). Under the lock. */
    uint16_t time_outs[VTD_TIME_OUTS];
    struct iommu_queue_stats stats; /* under the lock */
};

/* A batch under way. */
struct vtd_ticket {
    unsigned slot; /* of its wait */
    uint32_t sequence;
    uint64_t submitted_ns;
    uint64_t finished; /* batches that had been finished by then, */
    uint64_t ites;     /* and ITEs that there had been */
};

/* Makes the queue's memory, for descriptors of 256 bits if wide, else of 128. ERR_NOMEM. */
int vtd_queue_init(struct vtd_queue *queue, struct vtd_registers registers, unsigned unit, bool wide)
    MUST_CHECK;

/* Gives the memory back: only when the unit is known not to use it any more. */
void vtd_queue_destroy(struct vtd_queue *queue);

/* What IQA must hold: descriptor width, VTD_QUEUE_SLOTS long, at the queue's memory. */
uint64_t vtd_queue_iqa(const struct vtd_queue *queue);

/* Submits count (1 to VTD_BATCH_MAX) descriptors and does not wait for them. Each ticket must be handed to
 * vtd_queue_wait() on the same CPU. ERR_TIMEOUT: no room in time, which is a second, or ten as for
 * vtd_queue_wait(), and 10 ms once somebody waited in vain; or the queue stands still; nothing was submitted.
 * Any CPU, outside RCU read sections. */
int vtd_queue_submit(struct vtd_queue *queue, const struct vtd_descriptor *descriptors, unsigned count,
                     struct vtd_ticket *ticket) MUST_CHECK;

/* Waits until the unit has carried out a batch. descriptors and count are those that were submitted: the unit
 * drops waits when an invalidation of a device TLB times out, and then the whole batch is submitted again:
 * once for the time-out of a device that is in the batch; up to 4 times if it may be, since the unit does not
 * tell; and as good as always for that of one which it has nothing to do with: whoever invalidates that one's
 * TLB gives it up. ERR_TIMEOUT; ERR_HARDWARE: the unit refused a descriptor, the others are carried out.
 *
 * The deadline is a second after the submission, so that who submits to many units waits a second for all of
 * them; but ten where it stands behind an invalidation of a device's TLB, its own included, that is not over:
 * no specification says how long a unit waits for a device until it reports a time-out (4.3). When the unit
 * has not even fetched the batch by then, and finished no other meanwhile, then the queue stands still:
 * everybody who waits, for completion or for room, and everybody who comes later gets ERR_TIMEOUT at once,
 * until the head is seen to have moved. Whoever comes looks at it, and writes the tail again. */
int vtd_queue_wait(struct vtd_queue *queue, const struct vtd_descriptor *descriptors, unsigned count,
                   struct vtd_ticket ticket) MUST_CHECK;

/* Both. */
int vtd_queue_run(struct vtd_queue *queue, const struct vtd_descriptor *descriptors, unsigned count)
    MUST_CHECK;

/* A copy that adds up: batches under way are what is missing. Any CPU. */
void vtd_queue_stats(struct vtd_queue *queue, struct iommu_queue_stats *stats);
