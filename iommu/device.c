/* SPDX-License-Identifier: BSD-2-Clause */
/* Which device is in which domain. A device is in one domain or in none, and then it is blocked. */
#include "iommu/domain.h"
#include "lib/error.h"
#include "lib/list.h"
#include "lib/spinlock.h"
#include <stdlib.h>

struct iommu_device {
    struct list link;
    struct pci_address address;
    uint32_t pasid;
    struct iommu_domain *domain;
    bool moving; /* on its way in or out: the hardware is not waited for under the lock */
};

static struct spinlock lock; /* taken in interrupts too, which ask whose device faulted */
static struct list devices = {&devices, &devices};

/* Under the lock. Returns how the device is in a domain by this PASID, or NULL; *busy when it is on its way
 * by any. */
static struct iommu_device *find(struct pci_address address, uint32_t pasid, bool *busy)
{
    struct iommu_device *found = NULL;

    *busy = false;
    list_for_each (node, &devices) {
        struct iommu_device *device = list_entry(node, struct iommu_device, link);

        if (!pci_address_equal(device->address, address))
            continue;
        *busy = *busy || device->moving;
        if (device->pasid == pasid)
            found = device;
    }
    return found;
}

static void forget(struct iommu_device *device)
{
    uint64_t saved = spin_lock_irq(&lock);

    list_remove(&device->link);
    spin_unlock_irq(&lock, saved);
    free(device);
}

int iommu_attach(struct iommu_domain *domain, struct pci_address address, uint32_t pasid)
{
    struct iommu_device *device = malloc(sizeof *device);
    bool taken, busy;
    uint64_t saved;
    int error;

    if (!device)
        return ERR_NOMEM;
    *device = (struct iommu_device){.address = address, .pasid = pasid, .domain = domain, .moving = true};
    saved = spin_lock_irq(&lock);
    taken = find(address, pasid, &busy) || busy;
    if (!taken)
        list_append(&devices, &device->link);
    spin_unlock_irq(&lock, saved);
    if (taken) {
        free(device);
        return ERR_BUSY;
    }
    error = domain->ops->attach(domain, address, pasid);
    if (error) {
        forget(device);
        return error;
    }
    saved = spin_lock_irq(&lock);
    device->moving = false;
    spin_unlock_irq(&lock, saved);
    return 0;
}

int iommu_detach(struct iommu_domain *domain, struct pci_address address, uint32_t pasid)
{
    struct iommu_device *device;
    uint64_t saved;
    bool busy;
    int error = 0;

    saved = spin_lock_irq(&lock);
    device = find(address, pasid, &busy);
    if (!device || device->domain != domain)
        error = ERR_NOT_FOUND;
    else if (busy)
        error = ERR_BUSY;
    else
        device->moving = true;
    spin_unlock_irq(&lock, saved);
    if (error)
        return error;
    error = domain->ops->detach(domain, address, pasid);
    forget(device);
    return error;
}

void iommu_devices_visit(struct iommu_domain *domain,
                         void (*visit)(void *context, struct pci_address device, uint32_t pasid),
                         void *context)
{
    uint64_t saved = spin_lock_irq(&lock);

    list_for_each (node, &devices) {
        struct iommu_device *device = list_entry(node, struct iommu_device, link);

        if (device->domain == domain)
            visit(context, device->address, device->pasid);
    }
    spin_unlock_irq(&lock, saved);
}

void iommu_device_visit_domain(struct pci_address address, uint32_t pasid,
                               void (*visit)(void *context, struct iommu_domain *domain), void *context)
{
    uint64_t saved = spin_lock_irq(&lock);
    bool busy;
    const struct iommu_device *device = find(address, pasid, &busy);

    if (device)
        visit(context, device->domain);
    spin_unlock_irq(&lock, saved);
}
