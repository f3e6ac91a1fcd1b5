/* SPDX-License-Identifier: BSD-2-Clause */
/* The root of ACPI's tables, and a copy of the DMAR: the hypervisor reads all others itself. */
#pragma once

#include "boot/efi_map.h"

/* The RSDP's address: ACPI 2.0's if firmware has one, else 1.0's, else 0. */
uint64_t acpi_rsdp(void);

/* Copies the DMAR into memory of Lull's and applies lull.cfg's dmar_poke to the copy. *hpa stays 0 where
 * there is none, or where the tables that lead to it are broken (which is said, and the start goes on).
 * EFI_INVALID_PARAMETER: dmar_poke does not fit the table. EFI_OUT_OF_RESOURCES. */
EFI_STATUS acpi_copy_dmar(uint64_t rsdp, const struct efi_map *map, const char *config, struct blocks *blocks,
                          uint64_t *hpa, uint64_t *bytes);
