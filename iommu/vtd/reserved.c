/* SPDX-License-Identifier: BSD-2-Clause */
/* One domain has all such memory and all such devices: what tells them apart is firmware's affair, and nobody
 * else's memory is in it. */
#include "iommu/vtd/reserved.h"
#include "iommu/domain.h"
#include "iommu/vtd/domain.h"
#include "iommu/vtd/take_over.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/pci_ats.h"
#include <inttypes.h>
#include <stdlib.h>

struct reserved_device {
    struct pci_address address;
    bool was_master; /* of the bus, when it was found */
    bool attached;
};

static struct iommu_domain *domain;
static struct reserved_device *devices;
static unsigned device_count;

const struct iommu_domain *vtd_reserved_domain(void)
{
    return domain;
}

static struct reserved_device *find(struct pci_address address)
{
    for (unsigned i = 0; i < device_count; i++)
        if (pci_address_equal(devices[i].address, address))
            return &devices[i];
    return NULL;
}

static int add(struct pci_address address)
{
    struct reserved_device *larger;

    if (find(address))
        return 0;
    larger = realloc(devices, (device_count + 1) * sizeof *devices);
    if (!larger)
        return ERR_NOMEM;
    devices = larger;
    devices[device_count++] =
        (struct reserved_device){.address = address, .was_master = pci_bus_master_is_on(address)};
    return 0;
}

/* All functions that a region is for; *count gets how many. */
static int add_devices(const struct dmar_reserved *reserved, unsigned *count)
{
    int error = 0;

    *count = 0;
    for (unsigned n = 0; pci_function(n) && !error; n++) {
        const struct pci_function *function = pci_function(n);

        if (function->secondary_bus ||
            !dmar_scopes_cover(&reserved->devices, reserved->segment, function->address))
            continue;
        error = add(function->address);
        ++*count;
    }
    return error;
}

static int make_domain(void)
{
    int error = 0;

    if (!domain)
        domain = iommu_domain_create_with(vtd_domain_ops(vtd_stage()), "firmware", &error);
    return error;
}

static int add_region(const struct dmar_reserved *reserved)
{
    unsigned count;
    int error;

    if (!platform_memory_is_reserved(reserved->hpa, reserved->last)) {
        log_error("vtd: RMRR %#" PRIx64 "-%#" PRIx64
                  " does not lie in memory that firmware reserves: refused, its devices do not get it",
                  reserved->hpa, reserved->last);
        return 0;
    }
    error = make_domain();
    if (!error)
        error = iommu_map_reserved(domain, reserved->hpa, reserved->last);
    /* Two regions may overlap. */
    if (error == ERR_EXISTS || error == ERR_RANGE) {
        log_error("vtd: RMRR %#" PRIx64 "-%#" PRIx64 " cannot be mapped (%s): its devices do not get it",
                  reserved->hpa, reserved->last, error_text(error));
        return 0;
    }
    if (!error)
        error = add_devices(reserved, &count);
    if (!error)
        log_info("vtd: RMRR %#" PRIx64 "-%#" PRIx64 ": %u devices keep it", reserved->hpa, reserved->last,
                 count);
    return error;
}

int vtd_reserved_make(void)
{
    const struct dmar *dmar = vtd_dmar();
    int error = 0;

    for (unsigned i = 0; i < dmar->reserved_count && !error; i++)
        error = add_region(&dmar->reserved[i]);
    if (error)
        log_error("vtd: the memory that RMRRs demand cannot be mapped: %s", error_text(error));
    return error;
}

int vtd_reserved_attach(struct vtd_unit *unit)
{
    int error = 0;

    for (unsigned i = 0; i < device_count && !error; i++) {
        if (vtd_unit_of(devices[i].address) != unit)
            continue;
        error = iommu_attach(domain, devices[i].address, IOMMU_NO_PASID);
        devices[i].attached = !error;
    }
    return error;
}

bool vtd_reserved_goes_on(struct pci_address device)
{
    const struct vtd_unit *unit = find(device) ? vtd_unit_of(device) : NULL;

    /* Whoever may send translated requests is not checked: ATS has to go off, and with DMA stopped. */
    return unit && vtd_take_over_is_live(unit) && !pci_ats_is_on(device);
}

void vtd_reserved_resume(void)
{
    for (unsigned i = 0; i < device_count; i++)
        if (devices[i].was_master && devices[i].attached && !pci_bus_master_is_on(devices[i].address) &&
            pci_bus_master_set(devices[i].address, true))
            log_error("vtd: " PCI_FORMAT " stays stopped, though an RMRR names it",
                      PCI_ARGS(devices[i].address));
}

void vtd_reserved_drop(void)
{
    int error = 0;

    for (unsigned i = 0; i < device_count; i++)
        if (devices[i].attached && iommu_detach(domain, devices[i].address, IOMMU_NO_PASID))
            error = ERR_BUSY;
    if (domain && !error)
        error = iommu_domain_destroy(domain);
    if (error)
        log_error("vtd: the firmware's domain of an earlier start stays: %s", error_text(error));
    free(devices);
    devices = NULL;
    device_count = 0;
    domain = NULL;
}
