/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a unit's fault registers: all of them, and again, until none is full or it has been enough. */
#include "iommu/vtd/fault.h"
#include "iommu/fault_ring.h"
#include "iommu/vtd/fault_mute.h"
#include "iommu/vtd/fault_reason.h"
#include "iommu/vtd/queue_error.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/units.h"

/* A device that faults in a loop fills registers as fast as they are emptied. So a unit gets so many looks
 * (rounds, and records) in each period; when they are used up its interrupt is masked, and an event goes on
 * when the period is over: a storm costs at most so much, about 5 % of one CPU at 5 us a look, and all that a
 * period finds in the registers is read, whosoever it is. */
#define PERIOD_NS    (10 * NS_PER_MS)
#define PERIOD_LOOKS 96

/* A burst of overflows or of storms is over when there was none for so long. */
#define QUIET_NS NS_PER_S

static struct spinlock
    lock; /* over the list, and the fault registers of all units; taken in interrupts too */
static struct list started = {&started, &started};

static void poll_units(struct platform_event *event);

static void look_at_queues(struct platform_event *event);

static struct platform_event poll_event = {.run = poll_units};
static struct platform_event queue_event = {.run = look_at_queues};

/* T1, T2: 00 write, 01 page request, 10 read, 11 atomic operation (11.4.7.6). */
static enum iommu_request request_type(uint64_t high)
{
    if (high & VTD_FRCD_T1)
        return high & VTD_FRCD_T2 ? IOMMU_REQUEST_ATOMIC : IOMMU_REQUEST_READ;
    return high & VTD_FRCD_T2 ? IOMMU_REQUEST_PAGE : IOMMU_REQUEST_WRITE;
}

static void decode_request(struct iommu_fault *fault, uint64_t low, uint64_t high)
{
    fault->request = request_type(high);
    fault->write = fault->request == IOMMU_REQUEST_WRITE || fault->request == IOMMU_REQUEST_ATOMIC;
    fault->iova = low & VTD_PAGE_ADDRESS;
    fault->has_pasid = high & VTD_FRCD_PP;
    if (!fault->has_pasid)
        return;
    fault->pasid = VTD_FRCD_PASID(high);
    fault->execute = high & VTD_FRCD_EXE;
    fault->privileged = high & VTD_FRCD_PRIV;
}

static void record(struct vtd_unit *unit, uint64_t low, uint64_t high)
{
    uint8_t reason = VTD_FRCD_FR(high);
    struct iommu_fault fault = {
        .time_ns = platform_time_ns(),
        .device = pci_address_from_source_id(unit->drhd->segment, VTD_FRCD_SID(high)),
        .reason = reason,
        .text = vtd_fault_reason(reason),
    };

    /* Of an interrupt there is nothing but its index (11.4.7.6, FI). */
    if (vtd_fault_is_interrupt(reason)) {
        fault.request = IOMMU_REQUEST_INTERRUPT;
        fault.interrupt_index = VTD_FRCD_INDEX(low);
    } else {
        decode_request(&fault, low, high);
    }
    if (fault_ring_add(&fault))
        vtd_fault_mute(unit, fault.device);
}

/* Whether nothing of the kind has happened for a while, before now. */
static bool begins_burst(uint64_t *last_ns, uint64_t now)
{
    bool begins = !*last_ns || now - *last_ns >= QUIET_NS;

    *last_ns = now;
    return begins;
}

/* Takes one look out of those that the unit may have. */
static bool may_look(struct vtd_unit *unit)
{
    if (mutant(NO_FAULT_BUDGET))
        return true;
    if (!unit->fault_looks)
        return false;
    unit->fault_looks--;
    return true;
}

/* False if there are full registers left, for want of looks. */
static bool drain_registers(struct vtd_unit *unit, unsigned first)
{
    for (unsigned i = 0; i < unit->cap.fault_count; i++) {
        unsigned n = (first + i) % unit->cap.fault_count;
        uint64_t high = vtd_read64(unit->registers, VTD_FRCD_HIGH(unit->cap.fault_offset, n));

        /* All of them: a fault that comes while some are emptied may go into one before FRI, which does not
         * move until PPF has fallen (11.4.7.1). */
        if (!(high & VTD_FRCD_F))
            continue;
        if (!may_look(unit))
            return false;
        record(unit, vtd_read64(unit->registers, VTD_FRCD_LOW(unit->cap.fault_offset, n)), high);
        vtd_write64(unit->registers, VTD_FRCD_HIGH(unit->cap.fault_offset, n), VTD_FRCD_F);
    }
    return true;
}

/* 7.2.1: while PFO is up nothing is recorded, and it goes down after the registers are empty. */
static void clear_overflow(struct vtd_unit *unit)
{
    unit->fault_overflows++;
    if (begins_burst(&unit->fault_overflow_ns, platform_time_ns())) {
        unit->fault_overflow_bursts++;
        log_warn("vtd%u: faults come faster than they are read: some are lost", unit->index);
    }
    vtd_write32(unit->registers, VTD_FSTS, VTD_FSTS_PFO);
}

/* True when nothing is recorded and nothing overflowed any more. The queue's error bits in FSTS are not for
 * here: see look_at_queues(). */
static bool drain(struct vtd_unit *unit)
{
    uint32_t fsts;

    while ((fsts = vtd_read32(unit->registers, VTD_FSTS)) & (VTD_FSTS_PPF | VTD_FSTS_PFO)) {
        /* All ones: nobody answers, and there are no faults. */
        if (fsts == ~0u)
            return true;
        if (!may_look(unit))
            return false;
        if (fsts & VTD_FSTS_PPF && !drain_registers(unit, VTD_FSTS_FRI(fsts)))
            return false;
        if (fsts & VTD_FSTS_PFO)
            clear_overflow(unit);
    }
    return true;
}

/* 11.4.7.2: while IM is up an event waits in IP, and goes out when IM falls, unless its cause has gone. */
static void mask(struct vtd_unit *unit, bool on)
{
    if (unit->fault_masked == on || !unit->fault_event)
        return;
    unit->fault_masked = on;
    vtd_write32(unit->registers, VTD_FECTL, on ? VTD_FECTL_IM : 0);
}

/* Under the lock. */
static void drain_within_bounds(struct vtd_unit *unit)
{
    uint64_t now = platform_time_ns();

    if (now - unit->fault_period_ns >= PERIOD_NS) {
        unit->fault_period_ns = now;
        unit->fault_looks = PERIOD_LOOKS;
    }
    if (drain(unit)) {
        if (!mutant(FAULTS_STAY_MASKED))
            mask(unit, false);
        return;
    }
    if (begins_burst(&unit->fault_storm_ns, now)) {
        unit->fault_storms++;
        log_warn("vtd%u: a storm of faults: they are read every %u ms for as long as it lasts", unit->index,
                 (unsigned)(PERIOD_NS / NS_PER_MS));
    }
    mask(unit, true);
    platform_event_post(&poll_event, PERIOD_NS);
}

void vtd_fault_drain(struct vtd_unit *unit)
{
    uint64_t saved = spin_lock_irq(&lock);

    drain_within_bounds(unit);
    spin_unlock_irq(&lock, saved);
}

static void handle_interrupt(void *context)
{
    struct vtd_unit *unit = context;
    uint32_t fsts;

    vtd_fault_drain(unit);
    fsts = vtd_read32(unit->registers, VTD_FSTS);
    if (fsts != ~0u && fsts & (VTD_FSTS_IQE | VTD_FSTS_ITE | VTD_FSTS_ICE) && !mutant(QUEUE_ERROR_LEFT))
        platform_event_post(&queue_event, PERIOD_NS);
}

/* While an error of the queue is up no fault raises an interrupt (11.4.7.2), and nobody may be waiting for
 * the queue who would see to it: a device need only complete an invalidation that it was not asked for (ICE).
 * Not in the interrupt, since the queue's lock is held with interrupts on; and so late that it cannot be done
 * for ever. */
static void look_at_queues(struct platform_event *event)
{
    (void)event;
    for (unsigned i = 0; i < vtd_unit_count(); i++) {
        struct vtd_unit *unit = vtd_unit(i);

        if (!unit->on)
            continue;
        vtd_queue_recover(&unit->queue);
        vtd_fault_drain(unit); /* what came meanwhile, unheard */
    }
}

/* Goes on where an interrupt stopped. */
static void poll_units(struct platform_event *event)
{
    uint64_t saved = spin_lock_irq(&lock);

    (void)event;
    list_for_each (node, &started) {
        struct vtd_unit *unit = list_entry(node, struct vtd_unit, fault_link);

        if (unit->fault_masked)
            drain_within_bounds(unit);
    }
    spin_unlock_irq(&lock, saved);
}

static void set_started(struct vtd_unit *unit, bool on)
{
    uint64_t saved = spin_lock_irq(&lock);

    unit->fault_event = on;
    unit->fault_masked = false;
    vtd_write32(unit->registers, VTD_FECTL, on ? 0 : VTD_FECTL_IM);
    if (on)
        list_append(&started, &unit->fault_link);
    else
        list_remove(&unit->fault_link);
    spin_unlock_irq(&lock, saved);
}

int vtd_fault_start(struct vtd_unit *unit)
{
    uint64_t address;
    uint32_t data;
    int error = platform_msi_alloc(handle_interrupt, unit, &address, &data);

    if (error) {
        log_error("vtd%u: no interrupt vector for faults", unit->index);
        return error;
    }
    if (address >> 32 && !unit->cap.extended_interrupts) {
        log_error("vtd%u: the fault interrupt goes to %#lx, and the unit has 32 bits for that", unit->index,
                  (unsigned long)address);
        return ERR_UNSUPPORTED;
    }
    /* Whoever had it before may have left it on, and half a message goes nowhere good. */
    vtd_write32(unit->registers, VTD_FECTL, VTD_FECTL_IM);
    vtd_write32(unit->registers, VTD_FEDATA, data);
    vtd_write32(unit->registers, VTD_FEADDR, (uint32_t)address);
    if (unit->cap.extended_interrupts)
        vtd_write32(unit->registers, VTD_FEUADDR, (uint32_t)(address >> 32));
    /* Errors of a queue from before this unit's own would keep the interrupt from coming, and its queue from
     * running. */
    vtd_write32(unit->registers, VTD_FSTS, VTD_FSTS_IQE | VTD_FSTS_ITE | VTD_FSTS_ICE);
    vtd_fault_drain(unit);
    set_started(unit, true);
    return 0;
}

void vtd_fault_stop(struct vtd_unit *unit)
{
    if (!unit->fault_event)
        return;
    set_started(unit, false);
    vtd_fault_drain(unit);
    /* After the last faults, which might ask for more of it. */
    vtd_fault_mute_stop(unit);
}
