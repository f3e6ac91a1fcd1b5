/* SPDX-License-Identifier: BSD-2-Clause */
/* Requester ids: phantom functions, and bridges that answer for what is behind them. */
#include "lib/pci_alias.h"
#include "lib/pci.h"

#define CAP_PHANTOM(cap)   ((cap) >> 3 & 3) /* so many bits of the function number, from the highest on */
#define CONTROL_PHANTOM_ON (1u << 9)

/* Bits of the function number that a device uses as it likes (PCI Express base specification, 7.5.3.3 and
 * 7.5.3.4). */
static unsigned phantom_bits(struct pci_address function)
{
    unsigned express = pci_capability(function, PCI_CAPABILITY_EXPRESS);

    if (!express || !(pci_read16(function, express + PCI_EXPRESS_CONTROL) & CONTROL_PHANTOM_ON))
        return 0;
    return 7u << (3 - CAP_PHANTOM(platform_pci_read32(function, express + PCI_EXPRESS_CAP))) & 7;
}

/* The id that requests from behind a bridge have on its other side, if it is not their own: a bridge from PCI
 * Express takes ownership as device 0 of the bus behind it (PCI Express to PCI/PCI-X bridge specification,
 * 2.3); requests on conventional PCI have no id, and the bridge to it issues them as its own. */
static bool replaces_id(const struct pci_function *bridge, struct pci_address *alias)
{
    enum pci_express_type type = pci_express_type(bridge->address);

    if (type == PCI_EXPRESS_TO_PCI)
        *alias = (struct pci_address){bridge->address.segment, bridge->secondary_bus, 0};
    else
        *alias = bridge->address;
    return type == PCI_EXPRESS_TO_PCI || type == PCI_EXPRESS_FROM_PCI || type == PCI_EXPRESS_NONE;
}

struct pci_requester pci_requester(struct pci_address function)
{
    struct pci_requester requester = {
        function, phantom_bits(function) ? PCI_REQUESTER_DEVICE : PCI_REQUESTER_FUNCTION, 0};
    struct pci_address alias;

    for (const struct pci_function *bridge = pci_bridge_above(function); bridge;
         bridge = pci_bridge_above(bridge->address)) {
        if (!replaces_id(bridge, &alias))
            continue;
        requester = (struct pci_requester){alias, PCI_REQUESTER_FUNCTION, 0};
        if (alias.bus == bridge->secondary_bus)
            requester = (struct pci_requester){alias, PCI_REQUESTER_BUSES, bridge->subordinate_bus};
    }
    return requester;
}

void pci_visit_aliases(struct pci_address function, void (*visit)(void *context, struct pci_address alias),
                       void *context)
{
    unsigned bits = phantom_bits(function);
    struct pci_address alias = function;

    for (unsigned i = 1; i < 8; i++) {
        alias.devfn = (uint8_t)(function.devfn ^ i);
        if (!(i & ~bits))
            visit(context, alias);
    }
    for (const struct pci_function *bridge = pci_bridge_above(function); bridge;
         bridge = pci_bridge_above(bridge->address))
        if (replaces_id(bridge, &alias))
            visit(context, alias);
}
