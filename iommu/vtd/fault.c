/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a unit's fault registers: all of them, and again, until none is full. */
#include "iommu/vtd/fault.h"
#include "iommu/fault_ring.h"
#include "iommu/vtd/fault_reason.h"
#include "lib/error.h"
#include "lib/log.h"

/* A device in a storm of faults fills registers as fast as they are emptied. What is left after so many
 * rounds stays where it is: a register that is full keeps the unit from raising the interrupt again, so the
 * storm costs nothing until somebody looks. */
#define ROUNDS_MAX 8

static void record(const struct vtd_unit *unit, uint64_t low, uint64_t high)
{
    uint8_t reason = VTD_FRCD_FR(high);
    struct iommu_fault fault = {
        .time_ns = platform_time_ns(),
        .device = pci_address_from_source_id(unit->drhd->segment, VTD_FRCD_SID(high)),
        .iova = low & VTD_PAGE_ADDRESS,
        .pasid = (high & VTD_FRCD_PP) ? VTD_FRCD_PASID(high) : 0,
        .has_pasid = high & VTD_FRCD_PP,
        /* T1, T2: 00 write, 01 page request, 10 read, 11 atomic operation. */
        .write = !(high & VTD_FRCD_T1) == !(high & VTD_FRCD_T2),
        .reason = reason,
        .text = vtd_fault_reason(reason),
    };

    fault_ring_add(&fault);
}

static void drain_registers(struct vtd_unit *unit, unsigned first)
{
    for (unsigned i = 0; i < unit->cap.fault_count; i++) {
        unsigned n = (first + i) % unit->cap.fault_count;
        uint64_t high = vtd_read64(unit->registers, VTD_FRCD_HIGH(unit->cap.fault_offset, n));

        /* All of them: a fault that comes while some are emptied may go into one before FRI, which does not
         * move until PPF has fallen (11.4.7.1). */
        if (!(high & VTD_FRCD_F))
            continue;
        record(unit, vtd_read64(unit->registers, VTD_FRCD_LOW(unit->cap.fault_offset, n)), high);
        vtd_write64(unit->registers, VTD_FRCD_HIGH(unit->cap.fault_offset, n), VTD_FRCD_F);
    }
}

/* Under fault_lock. The queue's error bits in FSTS are left alone: whoever waits for the queue looks for
 * them. */
static void drain(struct vtd_unit *unit)
{
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        uint32_t fsts = vtd_read32(unit->registers, VTD_FSTS);

        if (!(fsts & (VTD_FSTS_PPF | VTD_FSTS_PFO)))
            return;
        if (fsts & VTD_FSTS_PPF)
            drain_registers(unit, VTD_FSTS_FRI(fsts));
        if (fsts & VTD_FSTS_PFO) {
            unit->fault_overflows++;
            vtd_write32(unit->registers, VTD_FSTS, VTD_FSTS_PFO);
        }
    }
}

void vtd_fault_drain(struct vtd_unit *unit)
{
    uint64_t saved = spin_lock_irq(&unit->fault_lock);

    drain(unit);
    spin_unlock_irq(&unit->fault_lock, saved);
}

static void handle_interrupt(void *context)
{
    vtd_fault_drain(context);
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
    vtd_write32(unit->registers, VTD_FEDATA, data);
    vtd_write32(unit->registers, VTD_FEADDR, (uint32_t)address);
    if (unit->cap.extended_interrupts)
        vtd_write32(unit->registers, VTD_FEUADDR, (uint32_t)(address >> 32));
    /* Errors of a queue from before this unit's own would keep the interrupt from coming, and its queue from
     * running. */
    vtd_write32(unit->registers, VTD_FSTS, VTD_FSTS_IQE | VTD_FSTS_ITE | VTD_FSTS_ICE);
    vtd_fault_drain(unit);
    vtd_write32(unit->registers, VTD_FECTL, 0);
    unit->fault_event = true;
    return 0;
}

void vtd_fault_stop(struct vtd_unit *unit)
{
    if (!unit->fault_event)
        return;
    vtd_write32(unit->registers, VTD_FECTL, VTD_FECTL_IM);
    vtd_fault_drain(unit);
    unit->fault_event = false;
}
