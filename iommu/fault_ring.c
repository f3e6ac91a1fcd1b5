/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring of faults: filled in interrupts, emptied by the event that reports them, and kept for who asks. */
#include "iommu/fault_ring.h"
#include "iommu/domain.h"
#include "iommu/fault_devices.h"
#include "iommu/fault_report.h"
#include "lib/spinlock.h"
#include <string.h>

static struct spinlock lock; /* taken in interrupts too */
static struct iommu_fault ring[FAULT_RING_SIZE];
static uint64_t count;    /* faults ever */
static uint64_t recorded; /* ever; the next one goes to ring[recorded % FAULT_RING_SIZE] */
static uint64_t taken;

static void note_domain(void *context, struct iommu_domain *domain)
{
    struct iommu_fault *fault = context;

    memcpy(fault->domain, domain->name, sizeof fault->domain);
    fault->domain_number = domain->number;
}

bool fault_ring_add(struct iommu_fault *fault)
{
    bool storm, record = fault_devices_count(fault, &storm);
    uint64_t saved;

    /* The domain that the device is in now, and not when somebody gets to hear of it: it may have moved on.
     */
    if (record) {
        iommu_device_visit_domain(fault->device, fault_pasid(fault), note_domain, fault);
        fault_devices_note(fault);
    }
    saved = spin_lock_irq(&lock);
    count++;
    if (record)
        ring[recorded++ % FAULT_RING_SIZE] = *fault;
    spin_unlock_irq(&lock, saved);
    if (record)
        fault_report_post();
    return storm;
}

uint64_t fault_ring_count(void)
{
    uint64_t saved = spin_lock_irq(&lock);
    uint64_t result = count;

    spin_unlock_irq(&lock, saved);
    return result;
}

unsigned fault_ring_copy(struct iommu_fault *faults, unsigned max)
{
    uint64_t saved = spin_lock_irq(&lock);
    unsigned n = 0;

    while (n < max && n < FAULT_RING_SIZE && n < recorded) {
        faults[n] = ring[(recorded - 1 - n) % FAULT_RING_SIZE];
        n++;
    }
    spin_unlock_irq(&lock, saved);
    return n;
}

bool fault_ring_take(struct iommu_fault *fault, uint64_t *lost)
{
    uint64_t saved = spin_lock_irq(&lock);
    bool found = taken != recorded;

    if (recorded - taken > FAULT_RING_SIZE) {
        *lost += recorded - taken - FAULT_RING_SIZE;
        taken = recorded - FAULT_RING_SIZE;
    }
    if (found)
        *fault = ring[taken++ % FAULT_RING_SIZE];
    spin_unlock_irq(&lock, saved);
    return found;
}

bool fault_ring_untaken(void)
{
    uint64_t saved = spin_lock_irq(&lock);
    bool result = taken != recorded;

    spin_unlock_irq(&lock, saved);
    return result;
}
