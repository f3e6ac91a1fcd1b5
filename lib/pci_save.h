/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a function's configuration a reset takes away and its users rely on: the header (BARs, a bridge's
 * buses and windows, cache line, interrupt line), and of PCI Express device and link control. */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdint.h>

struct pci_saved {
    struct pci_address function;
    uint32_t header[16];
    uint16_t express_control, express_link, express_control_2;
};

/* ERR_HARDWARE: it is gone, or not the one that pci_scan() found (the log says so). */
int pci_save(struct pci_address function, struct pci_saved *saved) MUST_CHECK;

/* Puts it back into a function that has been reset, and that the bridges above it reach again: with decoding
 * as it was, bus mastering, MSI and MSI-X off, and ACS on. ERR_HARDWARE: it is another function now, or does
 * not keep its BARs (the log says so). */
int pci_restore(const struct pci_saved *saved) MUST_CHECK;
