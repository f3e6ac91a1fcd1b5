/* SPDX-License-Identifier: BSD-2-Clause */
/* Translations that a function asks for itself: address translation service (ATS) and page requests (PRI),
 * PCI Express base specification, chapter 10. */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>

/* The function may issue translated requests, which no unit checks. */
bool pci_ats_is_on(struct pci_address function);

/* Switches page requests and ATS off, which firmware or an earlier system may have left on, with the
 * function's DMA stopped. True if one of them was on. A function that does not stop is told of in the log. */
bool pci_ats_switch_off(struct pci_address function);
