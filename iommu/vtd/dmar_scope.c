/* SPDX-License-Identifier: BSD-2-Clause */
/* Which PCI functions a DMAR device scope means: follows its path through bridges. */
#include "iommu/vtd/dmar.h"
#include "lib/platform.h"

/* In a bridge's configuration space. */
enum {
    PCI_HEADER = 0x0c,
    PCI_HEADER_BRIDGE = 1,
    PCI_BUS_NUMBERS = 0x18,
};

struct bus_range {
    uint8_t secondary;
    uint8_t subordinate;
};

static bool bridge_buses(struct pci_address bridge, struct bus_range *buses)
{
    uint32_t header = platform_pci_read32(bridge, PCI_HEADER);
    uint32_t numbers = platform_pci_read32(bridge, PCI_BUS_NUMBERS);

    if (header == ~0u || (header >> 16 & 0x7f) != PCI_HEADER_BRIDGE)
        return false;
    buses->secondary = (uint8_t)(numbers >> 8);
    buses->subordinate = (uint8_t)(numbers >> 16);
    return buses->secondary > bridge.bus && buses->secondary <= buses->subordinate;
}

bool dmar_scope_resolve(const struct dmar_scope *scope, uint16_t segment, struct pci_address *function)
{
    struct pci_address at = {segment, scope->start_bus, 0};

    for (unsigned hop = 0; hop < scope->hops; hop++) {
        struct bus_range buses;

        if (hop) {
            if (!bridge_buses(at, &buses))
                return false;
            at.bus = buses.secondary;
        }
        at.devfn = (uint8_t)(scope->path[2 * hop] << 3 | scope->path[2 * hop + 1]);
    }
    *function = at;
    return true;
}

static bool scope_covers(const struct dmar_scope *scope, uint16_t segment, struct pci_address device)
{
    struct pci_address function;
    struct bus_range buses;

    /* A namespace device does its DMA under the source-id that its path gives (8.3.1). IOAPIC and HPET scopes
     * are about interrupts. */
    if (scope->type == DMAR_SCOPE_IOAPIC || scope->type == DMAR_SCOPE_HPET)
        return false;
    if (!dmar_scope_resolve(scope, segment, &function))
        return false;
    if (pci_address_equal(function, device))
        return true;
    return scope->type == DMAR_SCOPE_BRIDGE && bridge_buses(function, &buses) &&
           device.bus >= buses.secondary && device.bus <= buses.subordinate;
}

bool dmar_scopes_cover(const struct dmar_scopes *scopes, uint16_t segment, struct pci_address device)
{
    if (device.segment != segment)
        return false;
    for (unsigned i = 0; i < scopes->count; i++)
        if (scope_covers(&scopes->scopes[i], segment, device))
            return true;
    return false;
}
