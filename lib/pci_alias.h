/* SPDX-License-Identifier: BSD-2-Clause */
/* Under which requester ids the requests of a PCI function, DMA and messages alike, arrive at a remapping
 * unit (VT-d, 3.4.1 and 5.1.1): its own, those of its phantom functions, or what bridges to PCI make of it.
 */
#pragma once

#include "lib/pci_address.h"
#include <stdint.h>

enum pci_requester_match {
    PCI_REQUESTER_FUNCTION, /* the id alone */
    PCI_REQUESTER_DEVICE,   /* all functions of its device: it uses phantom functions */
    PCI_REQUESTER_BUSES,    /* all on the buses from its own to last_bus: what a bridge to PCI passes on */
};

/* All ids that a function's requests can have, as the bridge nearest to the root leaves them. */
struct pci_requester {
    struct pci_address address;
    enum pci_requester_match match;
    uint8_t last_bus; /* PCI_REQUESTER_BUSES only */
};

/* Needs the table of pci_scan(), as the next one: it knows no bridge otherwise. */
struct pci_requester pci_requester(struct pci_address function);

/* Calls visit for each id other than the function's own that its requests may have at a unit or on the way to
 * it: some bridges to PCI-X pass on ids from behind them, and not all chipsets take the nearest to the root.
 */
void pci_visit_aliases(struct pci_address function, void (*visit)(void *context, struct pci_address alias),
                       void *context);
