/* SPDX-License-Identifier: BSD-2-Clause */
/* How PCI configuration space is reached: for pci.c. pci.h has the accesses themselves. */
#pragma once

#include "arch/platform/acpi.h"
#include "lib/pci_address.h"

/* Maps the windows that lie where registers can be; logs those that do not, and leaves them out. Once, before
 * all accesses. */
void pci_config_init(const struct acpi_ecam *ecam, unsigned count);

/* True if there is a way to the functions of this bus. */
bool pci_config_reaches(uint16_t segment, uint8_t bus);
