/* SPDX-License-Identifier: BSD-2-Clause */
/* Submits batches, waits for them, and reuses their slots. Errors that the unit reports are in queue_error.c.
 */
#include "iommu/vtd/queue.h"
#include "iommu/vtd/queue_error.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/units.h"

#define WIDE_BYTES (VTD_QUEUE_SLOTS * sizeof(struct vtd_descriptor))
#define RING_ORDER 1

/* IQA.QS = X is 2^(X + 8) descriptors of 128 bits (11.4.9.3), in as many bytes half as many of 256. */
#define WIDE_QS   1
#define NARROW_QS 0

_Static_assert(WIDE_BYTES == PAGE_SIZE << RING_ORDER, "the ring is a block of whole pages");
_Static_assert(VTD_QUEUE_SLOTS == 1 << (WIDE_QS + 7), "the size that QS tells");
_Static_assert(VTD_QUEUE_SLOTS == 1 << (NARROW_QS + 8), "the size that QS tells");
_Static_assert((VTD_QUEUE_SLOTS + 1) * sizeof(uint32_t) <= PAGE_SIZE, "the status words fit a page");

/* Far beyond what an invalidation takes: it drains DMA, which takes microseconds. */
#define WAIT_NS (1 * NS_PER_S)

/* Where a second has been waited already: for room, by somebody else; or for another unit, by the same
 * caller, and this one may have to be got over an error, and to go on. */
#define LATE_NS (10 * NS_PER_MS)

/* And so long where a device is waited for first, which holds up all that comes after it: how long a unit
 * waits for it no specification says. */
#define DEVICE_NS (10 * NS_PER_S)

/* How often a batch is submitted when its wait is dropped time after time: if nobody says whose fault that
 * is; if it is that of a device that is in the batch; and if it is always somebody else's. */
#define TRIES       5
#define TRIES_OWN   2
#define TRIES_OTHER 64

int vtd_queue_init(struct vtd_queue *queue, struct vtd_registers registers, unsigned unit, bool wide)
{
    *queue = (struct vtd_queue){.registers = registers, .unit = unit, .descriptor_bytes = wide ? 32 : 16};
    queue->ring = pages_alloc(RING_ORDER, PAGE_HYPERVISOR);
    queue->status = pages_alloc(0, PAGE_HYPERVISOR);
    if (queue->ring && queue->status)
        return 0;
    vtd_queue_destroy(queue);
    log_error("vtd%u: no memory for the invalidation queue", unit);
    return ERR_NOMEM;
}

void vtd_queue_destroy(struct vtd_queue *queue)
{
    if (queue->ring)
        pages_free(queue->ring);
    if (queue->status)
        pages_free(queue->status);
    queue->ring = NULL;
    queue->status = NULL;
}

uint64_t vtd_queue_iqa(const struct vtd_queue *queue)
{
    bool wide = queue->descriptor_bytes == sizeof(struct vtd_descriptor);

    return virt_to_phys(queue->ring) | (wide ? VTD_IQA_DW_256 | WIDE_QS : NARROW_QS);
}

static bool slot_written(const struct vtd_queue *queue, unsigned slot)
{
    /* Acquire: what the unit wrote before its status (accessed and dirty bits, drained DMA) is seen after it.
     */
    return atomic_read_acquire(&queue->status[slot]) == queue->slots[slot].sequence;
}

/* Takes back the slots of finished batches, oldest first. Under the lock. */
static void reclaim(struct vtd_queue *queue)
{
    while (queue->head != queue->tail) {
        unsigned wait = queue->head;

        while (queue->slots[wait].state == VTD_SLOT_PLAIN)
            wait = vtd_queue_next(wait);
        if (queue->slots[wait].state == VTD_SLOT_ABANDONED && slot_written(queue, wait))
            queue->slots[wait].state = VTD_SLOT_COLLECTED;
        if (queue->slots[wait].state != VTD_SLOT_COLLECTED)
            return;
        queue->slots[wait].state = VTD_SLOT_PLAIN;
        queue->head = vtd_queue_next(wait);
        if (queue->blocked)
            atomic_write(&queue->blocked, false);
    }
}

static unsigned free_slots(const struct vtd_queue *queue)
{
    /* One slot stays empty: with head equal to tail the unit takes the queue for empty (6.5.2). */
    return (queue->head + VTD_QUEUE_SLOTS - queue->tail - 1) % VTD_QUEUE_SLOTS;
}

static void put(struct vtd_queue *queue, struct vtd_descriptor descriptor)
{
    vtd_queue_write(queue, queue->tail, descriptor);
    queue->tail = vtd_queue_next(queue->tail);
}

/* Under the lock, with room for count descriptors and their wait. */
static void put_batch(struct vtd_queue *queue, const struct vtd_descriptor *descriptors, unsigned count,
                      struct vtd_ticket *ticket)
{
    for (unsigned i = 0; i < count; i++) {
        put(queue, descriptors[i]);
        queue->stats.invalidations[vtd_invalidation_of(&descriptors[i])]++;
    }
    queue->stats.invalidations[IOMMU_INVALIDATION_WAIT]++;
    queue->stats.batches++;
    *ticket = (struct vtd_ticket){queue->tail, ++queue->sequence, platform_time_ns(),
                                  vtd_queue_finished(queue), queue->stats.ite};
    queue->slots[ticket->slot] = (struct vtd_queue_slot){
        VTD_SLOT_PENDING, vtd_queue_asks_device(descriptors, count), ticket->sequence};
    put(queue, vtd_descriptor_wait(virt_to_phys(&queue->status[ticket->slot]), ticket->sequence));
    /* The changes to tables that this batch is about, and the descriptors, before the tail that makes the
     * unit read them: the full fence orders them against the uncached store. The unit reads its queue through
     * the caches whatever ECAP.C says. */
    atomic_fence_full();
    vtd_queue_kick(queue);
}

enum attempt {
    ATTEMPT_TAKEN,
    ATTEMPT_NO_ROOM,
    ATTEMPT_STALLED,
};

static enum attempt try_submit(struct vtd_queue *queue, const struct vtd_descriptor *descriptors,
                               unsigned count, struct vtd_ticket *ticket, bool *waited)
{
    bool room;

    if (vtd_queue_stalled(queue))
        return ATTEMPT_STALLED;
    spin_lock(&queue->lock);
    reclaim(queue);
    room = free_slots(queue) > count;
    if (room)
        put_batch(queue, descriptors, count, ticket);
    else if (!*waited)
        queue->stats.full++;
    *waited = true;
    spin_unlock(&queue->lock);
    if (room)
        return ATTEMPT_TAKEN;
    /* A queue that stopped at an error stays full until somebody recovers it. */
    vtd_queue_recover(queue);
    return ATTEMPT_NO_ROOM;
}

/* What stands in the queue up to some slot, not over yet, is waiting for a device. */
static bool behind_device(struct vtd_queue *queue, unsigned end)
{
    bool behind = false;

    spin_lock(&queue->lock);
    for (unsigned slot = queue->head; slot != queue->tail && !behind; slot = vtd_queue_next(slot)) {
        uint8_t state = queue->slots[slot].state;

        behind = queue->slots[slot].asks_device && !slot_written(queue, slot) &&
                 (state == VTD_SLOT_PENDING || state == VTD_SLOT_ABANDONED || state == VTD_SLOT_REFUSED);
        if (slot == end)
            break;
    }
    spin_unlock(&queue->lock);
    return behind && !mutant(DEVICE_NOT_WAITED);
}

static void turn_away(struct vtd_queue *queue, bool no_room)
{
    bool news;

    spin_lock(&queue->lock);
    news = no_room && !queue->blocked;
    if (news)
        atomic_write(&queue->blocked, true);
    queue->stats.turned_away++;
    spin_unlock(&queue->lock);
    if (news)
        log_error("vtd%u: the invalidation queue is full, and stays so", queue->unit);
}

int vtd_queue_submit(struct vtd_queue *queue, const struct vtd_descriptor *descriptors, unsigned count,
                     struct vtd_ticket *ticket)
{
    enum attempt attempt = ATTEMPT_NO_ROOM;
    bool waited = false, over;

    if (count == 0 || count > VTD_BATCH_MAX)
        return ERR_INVALID;
    over = wait_until((attempt = try_submit(queue, descriptors, count, ticket, &waited)) != ATTEMPT_NO_ROOM,
                      atomic_read(&queue->blocked) ? LATE_NS : WAIT_NS);
    if (!over && !atomic_read(&queue->blocked))
        (void)wait_until((attempt = try_submit(queue, descriptors, count, ticket, &waited)) !=
                                 ATTEMPT_NO_ROOM ||
                             !behind_device(queue, queue->tail),
                         DEVICE_NS - WAIT_NS);
    if (attempt == ATTEMPT_TAKEN)
        return 0;
    turn_away(queue, attempt == ATTEMPT_NO_ROOM);
    return ERR_TIMEOUT;
}

enum outcome {
    OUTCOME_PENDING,
    OUTCOME_DONE,
    OUTCOME_REFUSED,
    OUTCOME_LOST,
    OUTCOME_STALLED,
};

/* What has become of a batch that is finished. Under the lock. */
static enum outcome take_outcome(struct vtd_queue *queue, const struct vtd_queue_slot *slot, uint64_t ns)
{
    if (slot->state == VTD_SLOT_REFUSED) {
        queue->stats.refused++;
        return OUTCOME_REFUSED;
    }
    if (slot->state == VTD_SLOT_PENDING) {
        queue->stats.completed++;
        queue->stats.latency[vtd_latency_of(ns)]++;
        return OUTCOME_DONE;
    }
    queue->stats.dropped++;
    return OUTCOME_LOST;
}

/* Looks whether the batch is finished, and if so hands its slots back. */
static enum outcome poll(struct vtd_queue *queue, struct vtd_ticket ticket)
{
    struct vtd_queue_slot *slot = &queue->slots[ticket.slot];
    enum outcome outcome;
    uint64_t ns;

    /* The slot is this submitter's until it is collected, so its sequence does not change. */
    if (!slot_written(queue, ticket.slot)) {
        vtd_queue_recover(queue);
        if (atomic_read(&slot->state) != VTD_SLOT_LOST)
            return vtd_queue_stalled(queue) ? OUTCOME_STALLED : OUTCOME_PENDING;
    }
    ns = platform_time_ns() - ticket.submitted_ns;
    spin_lock(&queue->lock);
    outcome = take_outcome(queue, slot, ns);
    slot->state = VTD_SLOT_COLLECTED;
    reclaim(queue);
    spin_unlock(&queue->lock);
    return outcome;
}

static void log_timeout(const struct vtd_queue *queue, const char *what)
{
    log_error("vtd%u: %s: head %#lx, tail %#lx, fault status %#x", queue->unit, what,
              (unsigned long)vtd_read64(queue->registers, VTD_IQH),
              (unsigned long)vtd_read64(queue->registers, VTD_IQT), vtd_read32(queue->registers, VTD_FSTS));
}

/* The submitter stops waiting. The unit may write the status later: into the queue's own page, which outlives
 * it. */
static void abandon(struct vtd_queue *queue, struct vtd_ticket ticket, bool late)
{
    struct vtd_queue_slot *slot = &queue->slots[ticket.slot];
    bool stalled;

    spin_lock(&queue->lock);
    stalled = late && vtd_queue_judge(queue, ticket);
    queue->stats.timed_out++;
    /* What was dropped since the last look is never written, and would hold up the queue for ever. */
    slot->state = slot->state == VTD_SLOT_LOST ? VTD_SLOT_COLLECTED : VTD_SLOT_ABANDONED;
    spin_unlock(&queue->lock);
    if (mutant(STATUS_DIES_WITH_WAITER))
        pages_free(queue->status);
    if (stalled)
        log_timeout(queue, "the invalidation queue stands still, and takes nothing until it moves");
    else if (late)
        log_timeout(queue, "an invalidation did not complete");
}

/* So much time is left until a ticket's deadline. */
static uint64_t time_left(struct vtd_ticket ticket)
{
    uint64_t passed = platform_time_ns() - ticket.submitted_ns;

    return passed + LATE_NS < WAIT_NS ? WAIT_NS - passed : LATE_NS;
}

/* After its deadline: as long as it stands behind a device, and a moment more. */
static bool wait_for_device(struct vtd_queue *queue, struct vtd_ticket ticket, enum outcome *outcome)
{
    uint64_t passed = platform_time_ns() - ticket.submitted_ns;

    if (passed >= DEVICE_NS || !behind_device(queue, ticket.slot))
        return false;
    (void)wait_until((*outcome = poll(queue, ticket)) != OUTCOME_PENDING ||
                         !behind_device(queue, ticket.slot),
                     DEVICE_NS - passed);
    return *outcome != OUTCOME_PENDING ||
           wait_until((*outcome = poll(queue, ticket)) != OUTCOME_PENDING, LATE_NS);
}

static enum outcome wait_for(struct vtd_queue *queue, struct vtd_ticket ticket)
{
    enum outcome outcome = OUTCOME_PENDING;
    bool in_time = wait_until((outcome = poll(queue, ticket)) != OUTCOME_PENDING, time_left(ticket)) ||
                   wait_for_device(queue, ticket, &outcome);

    if (!in_time || outcome == OUTCOME_STALLED)
        abandon(queue, ticket, !in_time);
    return outcome;
}

/* A batch that was dropped is submitted again, but not for ever. */
struct drops {
    unsigned own, unknown, all;
};

/* False: it has been dropped often enough. */
static bool may_try_again(struct vtd_queue *queue, const struct vtd_descriptor *descriptors, unsigned count,
                          struct vtd_ticket ticket, struct drops *drops)
{
    enum vtd_fault_of fault = vtd_queue_fault_of(queue, descriptors, count, ticket);

    drops->all++;
    drops->own += fault == VTD_FAULT_OWN;
    drops->unknown += fault == VTD_FAULT_UNKNOWN;
    if (drops->own < TRIES_OWN && drops->unknown < TRIES && drops->all < TRIES_OTHER)
        return true;
    log_error("vtd%u: an invalidation was dropped %u times", queue->unit, drops->all);
    return false;
}

int vtd_queue_wait(struct vtd_queue *queue, const struct vtd_descriptor *descriptors, unsigned count,
                   struct vtd_ticket ticket)
{
    struct drops drops = {0};

    for (;;) {
        enum outcome outcome = wait_for(queue, ticket);
        int error;

        if (outcome == OUTCOME_DONE)
            return 0;
        if (outcome == OUTCOME_REFUSED)
            return ERR_HARDWARE;
        if (outcome != OUTCOME_LOST || !may_try_again(queue, descriptors, count, ticket, &drops))
            return ERR_TIMEOUT;
        error = vtd_queue_submit(queue, descriptors, count, &ticket);
        if (error)
            return error;
    }
}

int vtd_queue_run(struct vtd_queue *queue, const struct vtd_descriptor *descriptors, unsigned count)
{
    struct vtd_ticket ticket;
    int error = vtd_queue_submit(queue, descriptors, count, &ticket);

    return error ? error : vtd_queue_wait(queue, descriptors, count, ticket);
}

void vtd_queue_stats(struct vtd_queue *queue, struct iommu_queue_stats *stats)
{
    spin_lock(&queue->lock);
    *stats = queue->stats;
    spin_unlock(&queue->lock);
}
