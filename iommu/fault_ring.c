/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring of faults. A device that faults all the time gets a few lines of log each second, not all of it. */
#include "iommu/fault_ring.h"
#include "lib/log.h"
#include "lib/spinlock.h"
#include "lib/units.h"
#include <inttypes.h>
#include <stdio.h>

#define LINES_PER_SECOND 4

static struct spinlock lock; /* taken in interrupts too */
static struct iommu_fault ring[FAULT_RING_SIZE];
static uint64_t count; /* ever; the next one goes to ring[count % FAULT_RING_SIZE] */

/* How many of the ring's faults are the device's and of the last second. Under the lock. */
static unsigned recent_faults(const struct iommu_fault *fault)
{
    unsigned found = 0;

    for (unsigned i = 0; i < FAULT_RING_SIZE && i < count; i++)
        if (pci_address_equal(ring[i].device, fault->device) && fault->time_ns - ring[i].time_ns < NS_PER_S)
            found++;
    return found;
}

static void log_fault(const struct iommu_fault *fault, bool last)
{
    char pasid[24] = "";

    if (fault->has_pasid)
        snprintf(pasid, sizeof pasid, " PASID %#x", fault->pasid);
    log_warn("iommu: " PCI_FORMAT "%s may not %s %#" PRIx64 ": %s (%#04x)%s", PCI_ARGS(fault->device), pasid,
             fault->write ? "write" : "read", fault->iova, fault->text, fault->reason,
             last ? "; further ones in this second are only counted" : "");
}

void fault_ring_add(const struct iommu_fault *fault)
{
    uint64_t saved = spin_lock_irq(&lock);
    unsigned recent = recent_faults(fault);

    ring[count++ % FAULT_RING_SIZE] = *fault;
    spin_unlock_irq(&lock, saved);
    if (recent < LINES_PER_SECOND)
        log_fault(fault, recent == LINES_PER_SECOND - 1);
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

    while (n < max && n < FAULT_RING_SIZE && n < count) {
        faults[n] = ring[(count - 1 - n) % FAULT_RING_SIZE];
        n++;
    }
    spin_unlock_irq(&lock, saved);
    return n;
}
