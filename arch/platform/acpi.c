/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds ACPI's tables in memory: RSDP, then XSDT or RSDT, then each table, mapped and checked before it is
 * used. */
#include "arch/platform/acpi.h"
#include "arch/cpu/paging.h"
#include "arch/platform/acpi_tables.h"
#include "arch/platform/memory_map.h"
#include "lib/error.h"
#include "lib/log.h"
#include <string.h>

struct root {
    struct acpi_table table;
    uint32_t entry_bytes; /* of an address: 8 in the XSDT, 4 in the RSDT */
};

/* An address in a table may be any: a device's registers are not read by chance. NULL (logged). */
static const void *map(uint64_t hpa, size_t bytes)
{
    if (memory_map_is_readable(hpa, bytes))
        return paging_map_firmware(hpa, bytes);
    log_warn("ACPI: %zu bytes at 0x%lx are not in the memory map; left out", bytes, (unsigned long)hpa);
    return NULL;
}

static const uint8_t *map_header(uint64_t hpa)
{
    return hpa ? map(hpa, ACPI_HEADER_BYTES) : NULL;
}

/* False (logged): the table is not used. */
static bool map_table(uint64_t hpa, const char *signature, struct acpi_table *table)
{
    const uint8_t *header = map_header(hpa);

    if (!header)
        return false;
    table->length = acpi_header_length(header);
    if (!table->length)
        return false;
    table->bytes = map(hpa, table->length);
    return table->bytes && acpi_table_valid(table, signature);
}

static int find_root(uint64_t rsdp_hpa, struct root *root)
{
    const void *rsdp = map(rsdp_hpa, ACPI_RSDP_BYTES);
    uint64_t rsdt, xsdt;
    int error;

    if (!rsdp)
        return ERR_MALFORMED;
    error = acpi_parse_rsdp(rsdp, &rsdt, &xsdt);
    if (error)
        return error;
    root->entry_bytes = 8;
    if (xsdt && map_table(xsdt, "XSDT", &root->table))
        return 0;
    root->entry_bytes = 4;
    if (rsdt && map_table(rsdt, "RSDT", &root->table))
        return 0;
    log_error("ACPI RSDP: neither XSDT nor RSDT can be used");
    return ERR_MALFORMED;
}

/* The first table of that name that is in order. */
static bool find_table(const struct root *root, const char *signature, struct acpi_table *table)
{
    for (uint32_t offset = ACPI_HEADER_BYTES; offset + root->entry_bytes <= root->table.length;
         offset += root->entry_bytes) {
        uint64_t hpa =
            root->entry_bytes == 8 ? acpi_u64(&root->table, offset) : acpi_u32(&root->table, offset);
        const uint8_t *header = map_header(hpa);

        if (header && !memcmp(header, signature, 4) && map_table(hpa, signature, table))
            return true;
    }
    return false;
}

static void read_power(const struct root *root, struct acpi_power *power)
{
    struct acpi_table table;
    uint64_t dsdt = 0;

    if (!find_table(root, "FACP", &table)) {
        log_warn("ACPI: no FADT: no reset register, no PM timer");
        return;
    }
    acpi_parse_fadt(&table, power, &dsdt);
    if (dsdt && map_table(dsdt, "DSDT", &table))
        acpi_parse_dsdt(&table, power);
}

int acpi_init(const struct boot_info *boot, struct acpi_info *info)
{
    struct acpi_table table;
    struct root root;
    int error;

    memset(info, 0, sizeof(*info));
    if (!boot->rsdp) {
        log_warn("ACPI: the firmware has none");
        return ERR_NOT_FOUND;
    }
    error = find_root(boot->rsdp, &root);
    if (error)
        return error;
    if (find_table(&root, "APIC", &table))
        acpi_parse_madt(&table, &info->madt);
    else
        log_warn("ACPI: no MADT: only the CPU that booted is known");
    if (find_table(&root, "MCFG", &table))
        acpi_parse_mcfg(&table, info);
    if (find_table(&root, "SPCR", &table))
        acpi_parse_spcr(&table, &info->console);
    read_power(&root, &info->power);
    log_info("ACPI: %u CPUs, %u more could be plugged in", info->madt.count, info->madt.pluggable);
    return 0;
}
