/* SPDX-License-Identifier: BSD-2-Clause */
/* Access Control Services (PCI Express base specification, 6.12 and 7.7.11): what keeps PCI functions from
 * reaching each other on a way that no remapping unit sees. */
#pragma once

#include "lib/pci_address.h"
#include <stdbool.h>

/* Switches on, of what a function has: source validation, redirection of requests and of completions, and
 * upstream forwarding; and off what would go around them: egress control and direct translated requests.
 * After a reset of the function again. Nothing where it has no ACS. */
void pci_acs_enable(struct pci_address function);

/* The same for all functions, once, before any is used. Needs the table of pci_scan(). */
void pci_acs_enable_all(void);

/* All that the function could send to a peer it sends upstream, to where it is checked: ACS is on there.
 * False also for bridges to PCI, where nobody asks the bridge. Whether it has peers at all is not looked at:
 * a function that is the only one of its device needs no ACS, and ports that lead down always do (6.12.1). */
bool pci_acs_redirects(struct pci_address function);

/* A port that stops requests of functions below it that say that they are translated (6.12.1.1), as firmware
 * left it. */
bool pci_acs_blocks_translated(struct pci_address function);
