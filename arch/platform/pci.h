/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI of this machine: how its configuration space is reached, and where BARs lie. lib/pci.h has the rest.
 * Errors are logged where they are found. */
#pragma once

#include "arch/platform/acpi.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finds every function. Configuration space is reached through the MCFG's windows, and where they do not
 * cover segment 0, through ports 0xcf8 and 0xcfc. Once, on the boot CPU. ERR_NOMEM. */
int pci_init(const struct acpi_ecam *ecam, unsigned count) MUST_CHECK;

struct pci_bar {
    uint64_t address; /* as the host sees it, or an I/O port */
    uint64_t bytes;
    bool io;
    bool is_64bit;
    bool prefetchable;
};

/* What BAR index (0 to 5) decodes. Switches the function's decoding off for a moment, so not while a driver
 * uses it. ERR_INVALID: no such BAR in this type of header, or the upper half of another; ERR_NOT_FOUND: it
 * is not implemented, or firmware gave it no address; ERR_MALFORMED: a 64-bit BAR without an upper half. */
int pci_bar(struct pci_address function, unsigned index, struct pci_bar *bar) MUST_CHECK;

/* Maps a memory BAR, uncached, and switches memory decoding on. As pci_bar(); ERR_UNSUPPORTED: it is an I/O
 * BAR; ERR_FORBIDDEN: firmware put it over memory; ERR_NOMEM. bytes may be NULL. */
int pci_bar_map(struct pci_address function, unsigned index, volatile void **registers, uint64_t *bytes)
    MUST_CHECK;
