/* SPDX-License-Identifier: BSD-2-Clause */
/* Resets PCI functions, so that whoever has them next finds nothing of whoever had them before. */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"

/* In the order in which they are preferred. */
enum pci_reset_method {
    PCI_RESET_FLR,    /* of PCI Express: the function alone */
    PCI_RESET_AF_FLR, /* the same by the Advanced Features capability of conventional PCI */
    PCI_RESET_PM,     /* from D3hot to D0, where that does not keep the function's state */
    PCI_RESET_BUS,    /* all that is behind the bridge above it */
    PCI_RESET_NONE,
};

/* For people. */
const char *pci_reset_name(enum pci_reset_method method);

/* How a function is reset when all functions of a set are. The bus only if nobody else is behind the bridge,
 * and no port of PCI Express, whose state this does not know how to put back. */
enum pci_reset_method pci_reset_method(struct pci_address function, const struct pci_address *set,
                                       unsigned count);

/* Stops every function of a set, and resets those for which there is a way; each comes back with its
 * configuration (lib/pci_save.h), bus mastering off. All were found by pci_scan(), their DMA is blocked, and
 * nobody uses them. Takes 100 ms for a function, and until what it began has ended, and until it answers, at
 * most a second each. What goes wrong is in the log, and the rest goes on. ERR_TIMEOUT: one does not answer
 * any more, or has transactions pending after its reset, or still where there is none; ERR_HARDWARE: one does
 * not keep its BARs, or did not answer before; ERR_NOMEM. Not in a read section. */
int pci_reset(const struct pci_address *set, unsigned count) MUST_CHECK;
