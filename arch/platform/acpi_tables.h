/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI's tables as bytes: each parser takes a whole table and trusts nothing in it. No access to the machine,
 * so they are tested on the host. */
#pragma once

#include "arch/platform/acpi.h"
#include <stddef.h>

#define ACPI_HEADER_BYTES 36u
#define ACPI_TABLE_MAX    (16u << 20) /* no table is larger than this; what says so is damaged */
#define ACPI_RSDP_BYTES   36u

/* A table whose length and checksum have been found good. */
struct acpi_table {
    const uint8_t *bytes;
    uint32_t length;
};

/* Little-endian numbers at any alignment; 0 when they are not wholly inside. */
uint8_t acpi_u8(const struct acpi_table *table, uint32_t offset);
uint16_t acpi_u16(const struct acpi_table *table, uint32_t offset);
uint32_t acpi_u32(const struct acpi_table *table, uint32_t offset);
uint64_t acpi_u64(const struct acpi_table *table, uint32_t offset);

/* What a table's header says its length is, from at least ACPI_HEADER_BYTES bytes; 0 (logged) when it cannot
 * be. */
uint32_t acpi_header_length(const void *header);

/* True (else logged) if the table of that length has this signature and a checksum of 0. */
bool acpi_table_valid(const struct acpi_table *table, const char *signature);

/* The RSDP's two roots; 0 for one that is not there. ERR_MALFORMED (logged). bytes are readable at rsdp, at
 * least 36. */
int acpi_parse_rsdp(const void *rsdp, uint64_t *rsdt, uint64_t *xsdt) MUST_CHECK;

/* Section 5.2.12, 5.2.9, 5.2.11 (only to find _S5_), and the PCI firmware and SPCR specifications. Entries
 * that are wrong are logged and left out; a parser adds to what it is handed, which is all zeros at first. */
void acpi_parse_madt(const struct acpi_table *madt, struct acpi_madt *found);
void acpi_parse_fadt(const struct acpi_table *fadt, struct acpi_power *power, uint64_t *dsdt);
void acpi_parse_dsdt(const struct acpi_table *dsdt, struct acpi_power *power);
void acpi_parse_mcfg(const struct acpi_table *mcfg, struct acpi_info *info);
void acpi_parse_spcr(const struct acpi_table *spcr, struct acpi_console *console);
