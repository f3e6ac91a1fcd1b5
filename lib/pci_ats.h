/* SPDX-License-Identifier: BSD-2-Clause */
/* Translations that a function asks for itself: address translation service (ATS) and page requests (PRI),
 * PCI Express base specification, chapter 10. */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>

/* What a function's ATS capability says (10.5.1). */
struct pci_ats {
    unsigned queue_depth; /* invalidations that it takes in without holding up its link: 1 to 32 */
    bool page_aligned;    /* it asks for the translation of whole pages only */
    bool all_pasids;      /* it knows invalidations of all PASIDs at once */
};

/* False if the function has no such capability, or is not there any more. Any context. */
bool pci_ats_find(struct pci_address function, struct pci_ats *ats);

/* The function may issue translated requests, which no unit checks. */
bool pci_ats_is_on(struct pci_address function);

/* Switches ATS on, for translations of 4 KiB and more (STU 0), with the function's DMA stopped. What it had
 * kept from before it forgets by that (10.5.1.3). ERR_NOT_FOUND: it has no ATS; ERR_HARDWARE: it does not
 * keep what is written. */
int pci_ats_switch_on(struct pci_address function) MUST_CHECK;

/* Switches page requests and ATS off, which firmware or an earlier system may have left on, with the
 * function's DMA stopped. True if one of them was on. A function that does not stop is told of in the log. */
bool pci_ats_switch_off(struct pci_address function);
