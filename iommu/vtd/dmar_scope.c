/* SPDX-License-Identifier: BSD-2-Clause */
/* Which PCI functions a DMAR device scope means on this machine: follows its path through bridges. */
#include "iommu/vtd/dmar.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/pci.h"

/* Nearness of what names the function itself: above that of any bridge. */
#define NEAREST 0x100

struct bus_range {
    uint8_t secondary;
    uint8_t subordinate;
};

/* False if the function is no bridge, or firmware gave it no bus: its secondary number is then 0. */
static bool bridge_buses(struct pci_address bridge, struct bus_range *buses)
{
    uint8_t header = pci_read8(bridge, PCI_HEADER_TYPE);
    uint32_t numbers = platform_pci_read32(bridge, PCI_BUSES);

    if (header == 0xff || (header & 0x7f) != PCI_HEADER_BRIDGE)
        return false;
    buses->secondary = (uint8_t)(numbers >> 8);
    buses->subordinate = (uint8_t)(numbers >> 16);
    return buses->secondary > bridge.bus && buses->secondary <= buses->subordinate;
}

/* False, and *function is what should be a bridge and is none. */
static bool follow(const struct dmar_scope *scope, uint16_t segment, struct pci_address *function)
{
    *function = (struct pci_address){segment, scope->start_bus, 0};
    for (unsigned hop = 0; hop < scope->hops; hop++) {
        struct bus_range buses;

        if (hop) {
            if (!bridge_buses(*function, &buses))
                return false;
            function->bus = buses.secondary;
        }
        function->devfn = (uint8_t)(scope->path[2 * hop] << 3 | scope->path[2 * hop + 1]);
    }
    return true;
}

bool dmar_scope_resolve(const struct dmar_scope *scope, uint16_t segment, struct pci_address *function)
{
    struct pci_address at;
    bool found = follow(scope, segment, &at);

    if (found)
        *function = at;
    return found;
}

/* The number of the bus behind a bridge grows on the way down. */
static unsigned scope_nearness(const struct dmar_scope *scope, uint16_t segment, struct pci_address device)
{
    struct pci_address function;
    struct bus_range buses;

    /* A namespace device does its DMA under the source-id that its path gives (8.3.1). IOAPIC and HPET scopes
     * are about interrupts. */
    if (scope->type == DMAR_SCOPE_IOAPIC || scope->type == DMAR_SCOPE_HPET)
        return 0;
    if (!dmar_scope_resolve(scope, segment, &function))
        return 0;
    if (pci_address_equal(function, device))
        return NEAREST;
    if (scope->type != DMAR_SCOPE_BRIDGE || !bridge_buses(function, &buses))
        return 0;
    return device.bus >= buses.secondary && device.bus <= buses.subordinate ? buses.secondary : 0;
}

unsigned dmar_scopes_nearness(const struct dmar_scopes *scopes, uint16_t segment, struct pci_address device)
{
    unsigned nearest = 0;

    if (device.segment != segment)
        return 0;
    for (unsigned i = 0; i < scopes->count; i++) {
        unsigned nearness = scope_nearness(&scopes->scopes[i], segment, device);

        if (nearness > nearest)
            nearest = nearness;
    }
    return nearest;
}

bool dmar_scopes_cover(const struct dmar_scopes *scopes, uint16_t segment, struct pci_address device)
{
    return dmar_scopes_nearness(scopes, segment, device) != 0;
}

int dmar_unit_of(const struct dmar *dmar, struct pci_address device)
{
    unsigned nearest = 0;
    int found = -1;

    for (unsigned i = 0; i < dmar->unit_count; i++) {
        const struct dmar_unit *unit = &dmar->units[i];
        unsigned nearness = dmar_scopes_nearness(&unit->devices, unit->segment, device);

        if (nearness > nearest && !(nearest && mutant(FIRST_UNIT_TAKES_DEVICE))) {
            nearest = nearness;
            found = (int)i;
        } else if (found < 0 && unit->include_all && unit->segment == device.segment) {
            found = (int)i;
        }
    }
    return found;
}

/* Of a scope that says sub-hierarchy the last function has to be a bridge too. */
static bool leads_nowhere(const struct dmar_scope *scope, uint16_t segment, struct pci_address *function)
{
    struct bus_range buses;

    if (!follow(scope, segment, function))
        return true;
    return scope->type == DMAR_SCOPE_BRIDGE && !bridge_buses(*function, &buses);
}

unsigned dmar_log_unresolved(const struct dmar *dmar)
{
    unsigned count = 0;

    for (unsigned i = 0; i < dmar->table.count; i++) {
        const struct dmar_structure *structure = &dmar->table.structures[i];

        for (unsigned n = 0; n < structure->scopes.count; n++) {
            const struct dmar_scope *scope = &structure->scopes.scopes[n];
            struct pci_address function;

            if (!leads_nowhere(scope, structure->segment, &function))
                continue;
            log_warn("DMAR: offset %#x: %s: nothing is behind " PCI_FORMAT
                     ", which is no bridge with a bus of its own (8.3.1)",
                     scope->offset, dmar_type_name(structure->type), PCI_ARGS(function));
            count++;
        }
    }
    return count;
}
