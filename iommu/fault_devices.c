/* SPDX-License-Identifier: BSD-2-Clause */
/* A table in the order in which devices first faulted, and an entry behind it for all that found it full. */
#include "iommu/fault_devices.h"
#include "lib/mutant.h"
#include "lib/spinlock.h"
#include "lib/units.h"

struct entry {
    struct iommu_fault_device device;
    uint64_t second_ns; /* when the second began that the share is of */
    unsigned recorded;  /* in that second, */
    unsigned faults;    /* and all of it */
    uint64_t skipped;   /* since the last one that was recorded */
};

static struct spinlock lock; /* taken in interrupts too */
static struct entry entries[FAULT_DEVICES_MAX + 1];
static unsigned count; /* entries in use; the last entry counts for others */

/* Under the lock. */
static struct entry *find(struct pci_address device)
{
    for (unsigned i = 0; i < count && i < FAULT_DEVICES_MAX; i++)
        if (pci_address_equal(entries[i].device.device, device))
            return &entries[i];
    if (count <= FAULT_DEVICES_MAX) {
        entries[count].device.device = device;
        entries[count].device.others = count == FAULT_DEVICES_MAX;
        count++;
    }
    return &entries[count - 1];
}

static void add(struct iommu_fault_device *device, const struct iommu_fault *fault)
{
    device->faults++;
    if (fault->request == IOMMU_REQUEST_INTERRUPT)
        device->interrupts++;
    else if (fault->write)
        device->writes++;
    else
        device->reads++;
}

/* Whether the fault is within the device's share. Time is that of the fault, whose clock may be another
 * CPU's: one that lags behind does not begin a new second. */
static bool take_share(struct entry *entry, const struct iommu_fault *fault)
{
    if (!entry->second_ns || (int64_t)(fault->time_ns - entry->second_ns) >= (int64_t)NS_PER_S) {
        entry->second_ns = fault->time_ns;
        entry->recorded = 0;
        entry->faults = 0;
    }
    entry->faults++;
    if (entry->recorded == FAULT_DEVICE_SHARE && !mutant(NO_FAULT_SHARE))
        return false;
    entry->recorded++;
    return true;
}

bool fault_devices_count(struct iommu_fault *fault, bool *storm)
{
    uint64_t saved = spin_lock_irq(&lock);
    struct entry *entry = find(fault->device);
    bool recorded = take_share(entry, fault);

    add(&entry->device, fault);
    *storm = entry->faults > FAULT_DEVICE_STORM && !entry->device.others;
    if (recorded) {
        fault->skipped = entry->skipped;
        fault->limited = entry->recorded == FAULT_DEVICE_SHARE;
        entry->skipped = 0;
    } else {
        entry->skipped++;
        entry->device.skipped++;
    }
    spin_unlock_irq(&lock, saved);
    return recorded;
}

void fault_devices_note(const struct iommu_fault *fault)
{
    uint64_t saved = spin_lock_irq(&lock);

    find(fault->device)->device.newest = *fault;
    spin_unlock_irq(&lock, saved);
}

bool iommu_fault_device(unsigned n, struct iommu_fault_device *device)
{
    uint64_t saved = spin_lock_irq(&lock);
    bool found = n < count;

    if (found)
        *device = entries[n].device;
    spin_unlock_irq(&lock, saved);
    return found;
}
