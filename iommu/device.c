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
    struct iommu_domain *domain;
    bool moving; /* on its way in or out: the hardware is not waited for under the lock */
};

static struct spinlock lock;
static struct list devices = {&devices, &devices};

/* Under the lock. */
static struct iommu_device *find(struct pci_address address)
{
    list_for_each (node, &devices) {
        struct iommu_device *device = list_entry(node, struct iommu_device, link);

        if (pci_address_equal(device->address, address))
            return device;
    }
    return NULL;
}

static void forget(struct iommu_device *device)
{
    spin_lock(&lock);
    list_remove(&device->link);
    spin_unlock(&lock);
    free(device);
}

int iommu_attach(struct iommu_domain *domain, struct pci_address address)
{
    struct iommu_device *device = malloc(sizeof *device);
    bool taken;
    int error;

    if (!device)
        return ERR_NOMEM;
    *device = (struct iommu_device){.address = address, .domain = domain, .moving = true};
    spin_lock(&lock);
    taken = find(address) != NULL;
    if (!taken)
        list_append(&devices, &device->link);
    spin_unlock(&lock);
    if (taken) {
        free(device);
        return ERR_BUSY;
    }
    error = domain->ops->attach(domain, address);
    if (error) {
        forget(device);
        return error;
    }
    spin_lock(&lock);
    device->moving = false;
    spin_unlock(&lock);
    return 0;
}

int iommu_detach(struct iommu_domain *domain, struct pci_address address)
{
    struct iommu_device *device;
    int error = 0;

    spin_lock(&lock);
    device = find(address);
    if (!device || device->domain != domain)
        error = ERR_NOT_FOUND;
    else if (device->moving)
        error = ERR_BUSY;
    else
        device->moving = true;
    spin_unlock(&lock);
    if (error)
        return error;
    error = domain->ops->detach(domain, address);
    forget(device);
    return error;
}

void iommu_devices_visit(struct iommu_domain *domain, void (*visit)(void *context, struct pci_address device),
                         void *context)
{
    spin_lock(&lock);
    list_for_each (node, &devices) {
        struct iommu_device *device = list_entry(node, struct iommu_device, link);

        if (device->domain == domain)
            visit(context, device->address);
    }
    spin_unlock(&lock);
}
