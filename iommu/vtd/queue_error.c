/* SPDX-License-Identifier: BSD-2-Clause */
/* The invalidation queue's three errors (6.5.2.10): a descriptor that the unit refuses (IQE), a device that
 * does not answer (ITE), an answer that nobody waits for (ICE). And a fourth that no unit reports: it stands
 * still. */
#include "iommu/vtd/queue_error.h"
#include "lib/log.h"
#include "lib/mutant.h"

#define ERRORS (VTD_FSTS_IQE | VTD_FSTS_ITE | VTD_FSTS_ICE)

/* What FSTS reads as when no unit answers any more: reserved bits are set too. */
#define NOBODY (~0u)

static unsigned hardware_head(const struct vtd_queue *queue)
{
    return (unsigned)(vtd_read64(queue->registers, VTD_IQH) / queue->descriptor_bytes) % VTD_QUEUE_SLOTS;
}

static bool slot_in_use(const struct vtd_queue *queue, unsigned slot)
{
    return (slot - queue->head) % VTD_QUEUE_SLOTS < (queue->tail - queue->head) % VTD_QUEUE_SLOTS;
}

/* The head stays at the refused descriptor, and nothing more is fetched until IQE is cleared. A wait for
 * nobody takes its place, so that the rest of its batch, and the batches behind it, are carried out. */
static void replace_refused(struct vtd_queue *queue)
{
    unsigned refused = hardware_head(queue);
    const uint64_t *words = (const void *)&queue->ring[refused * queue->descriptor_bytes];
    unsigned wait = refused;

    log_error("vtd%u: invalidation descriptor %#lx %#lx refused (IQEI %u)", queue->unit,
              (unsigned long)words[0], (unsigned long)words[1],
              VTD_IQERCD_IQEI(vtd_read64(queue->registers, VTD_IQERCD)));
    if (!slot_in_use(queue, refused))
        return;
    while (queue->slots[wait].state == VTD_SLOT_PLAIN)
        wait = vtd_queue_next(wait);
    if (queue->slots[wait].state == VTD_SLOT_PENDING)
        queue->slots[wait].state = VTD_SLOT_REFUSED;
    /* If it was the wait itself then there is nothing left that could end the batch but one that writes the
     * same word. */
    vtd_queue_write(queue, refused,
                    wait == refused
                        ? vtd_descriptor_wait(virt_to_phys(&queue->status[wait]), queue->slots[wait].sequence)
                        : vtd_descriptor_wait(virt_to_phys(&queue->status[VTD_QUEUE_SLOTS]), 0));
}

/* A batch that the unit fetched as a whole: its wait has completed, or was dropped and never will. */
static void mark_fetched(struct vtd_queue *queue, unsigned slot)
{
    struct vtd_queue_slot *wait = &queue->slots[slot];

    if (wait->state == VTD_SLOT_COLLECTED || atomic_read_acquire(&queue->status[slot]) == wait->sequence)
        return;
    /* Nobody would collect an abandoned one. */
    atomic_write(&wait->state,
                 (uint8_t)(wait->state == VTD_SLOT_ABANDONED ? VTD_SLOT_COLLECTED : VTD_SLOT_LOST));
}

/* Every wait that was fetched and has not completed is dropped. What is still in the queue is carried out
 * after ITE is cleared; but a batch that the head stands in has lost what was before it. */
static void mark_lost(struct vtd_queue *queue)
{
    uint16_t source_id = VTD_IQERCD_ITESID(vtd_read64(queue->registers, VTD_IQERCD));
    unsigned end = hardware_head(queue);
    bool inside = false;
    unsigned slot;

    if (source_id)
        log_error("vtd%u: device %04x does not answer an invalidation", queue->unit, source_id);
    else
        log_error("vtd%u: a device, the unit does not tell which, does not answer an invalidation",
                  queue->unit);
    queue->time_outs[queue->stats.ite++ % VTD_TIME_OUTS] = source_id;
    for (slot = queue->head; slot != end && slot != queue->tail; slot = vtd_queue_next(slot)) {
        inside = queue->slots[slot].state == VTD_SLOT_PLAIN;
        if (!inside)
            mark_fetched(queue, slot);
    }
    if (!inside || slot == queue->tail || mutant(ITE_FORGETS_REST))
        return;
    while (queue->slots[slot].state == VTD_SLOT_PLAIN)
        slot = vtd_queue_next(slot);
    if (queue->slots[slot].state == VTD_SLOT_PENDING)
        atomic_write(&queue->slots[slot].state, (uint8_t)VTD_SLOT_AGAIN);
}

static uint32_t read_errors(const struct vtd_queue *queue)
{
    uint32_t status = vtd_read32(queue->registers, VTD_FSTS);

    return status == NOBODY ? 0 : status & ERRORS;
}

/* The unit has a reason for standing where it does, and goes on when it is told. Under the lock. */
static void recover(struct vtd_queue *queue, uint32_t errors)
{
    if (errors & VTD_FSTS_IQE) {
        queue->stats.iqe++;
        replace_refused(queue);
    }
    if (errors & VTD_FSTS_ITE)
        mark_lost(queue);
    if (errors & VTD_FSTS_ICE) {
        queue->stats.ice++;
        log_warn("vtd%u: an invalidation was answered that nobody asked for", queue->unit);
    }
    atomic_fence_full(); /* the new descriptor, before the unit fetches again */
    vtd_write32(queue->registers, VTD_FSTS, errors);
    /* A unit goes on by itself. QEMU's does so at the next write of the tail. */
    vtd_queue_kick(queue);
}

void vtd_queue_recover(struct vtd_queue *queue)
{
    uint32_t errors;

    if (!read_errors(queue))
        return;
    spin_lock(&queue->lock);
    /* Once more under the lock: another waiter may have been faster. */
    errors = read_errors(queue);
    if (errors)
        recover(queue, errors);
    spin_unlock(&queue->lock);
}

static bool is_owner(uint16_t device, const struct vtd_descriptor *descriptors, unsigned count)
{
    uint16_t owner;

    for (unsigned i = 0; i < count; i++)
        if (vtd_descriptor_owner(&descriptors[i], &owner) && owner == device)
            return true;
    return false;
}

bool vtd_queue_asks_device(const struct vtd_descriptor *descriptors, unsigned count)
{
    uint16_t owner;

    for (unsigned i = 0; i < count; i++)
        if (vtd_descriptor_owner(&descriptors[i], &owner))
            return true;
    return false;
}

enum vtd_fault_of vtd_queue_fault_of(struct vtd_queue *queue, const struct vtd_descriptor *descriptors,
                                     unsigned count, struct vtd_ticket ticket)
{
    enum vtd_fault_of fault = VTD_FAULT_OTHER;
    uint64_t first;

    spin_lock(&queue->lock);
    first = queue->stats.ite - ticket.ites > VTD_TIME_OUTS ? queue->stats.ite - VTD_TIME_OUTS : ticket.ites;
    for (uint64_t n = first; n != queue->stats.ite && fault != VTD_FAULT_OWN; n++) {
        uint16_t device = queue->time_outs[n % VTD_TIME_OUTS];

        if (device && is_owner(device, descriptors, count))
            fault = VTD_FAULT_OWN;
        else if (!device)
            fault = vtd_queue_asks_device(descriptors, count) ? VTD_FAULT_UNKNOWN : fault;
    }
    spin_unlock(&queue->lock);
    return fault;
}

/* The unit fetches in order, from queue->head or further on. */
static bool was_fetched(const struct vtd_queue *queue, unsigned slot, unsigned head)
{
    return (slot - queue->head) % VTD_QUEUE_SLOTS < (head - queue->head) % VTD_QUEUE_SLOTS;
}

/* A unit that has fetched this batch may be waiting for a device, and take what others submit. */
bool vtd_queue_judge(struct vtd_queue *queue, struct vtd_ticket ticket)
{
    unsigned head = hardware_head(queue);
    bool answers = vtd_read32(queue->registers, VTD_FSTS) != NOBODY;

    if (queue->stalled || vtd_queue_finished(queue) != ticket.finished ||
        (answers && was_fetched(queue, ticket.slot, head)))
        return false;
    queue->stalled_head = head;
    queue->stats.stalls++;
    atomic_write(&queue->stalled, !mutant(STALL_NOT_KEPT));
    return true;
}

/* Nothing is submitted meanwhile, so a head that moves never comes back to where it stood. */
bool vtd_queue_stalled(struct vtd_queue *queue)
{
    bool stalled;

    if (!atomic_read(&queue->stalled))
        return false;
    vtd_queue_recover(queue);
    spin_lock(&queue->lock);
    if (queue->stalled) {
        vtd_queue_kick(queue);
        if (hardware_head(queue) != queue->stalled_head) {
            atomic_write(&queue->stalled, false);
            log_warn("vtd%u: the invalidation queue moves again", queue->unit);
        }
    }
    stalled = queue->stalled;
    spin_unlock(&queue->lock);
    return stalled;
}
