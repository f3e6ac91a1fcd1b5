/* SPDX-License-Identifier: BSD-2-Clause */
/* Headers, checksums and the root of ACPI's tables, and the parsers of those that tell about CPUs, PCI and
 * the console. */
#include "arch/platform/acpi_tables.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/units.h"
#include <string.h>

enum madt_type {
    MADT_LOCAL_APIC = 0,
    MADT_IO_APIC = 1,
    MADT_LOCAL_X2APIC = 9,
};

uint8_t acpi_u8(const struct acpi_table *table, uint32_t offset)
{
    return offset < table->length ? table->bytes[offset] : 0;
}

uint16_t acpi_u16(const struct acpi_table *table, uint32_t offset)
{
    uint16_t value = 0;

    if (table->length >= sizeof(value) && offset <= table->length - sizeof(value))
        memcpy(&value, table->bytes + offset, sizeof(value));
    return value;
}

uint32_t acpi_u32(const struct acpi_table *table, uint32_t offset)
{
    uint32_t value = 0;

    if (table->length >= sizeof(value) && offset <= table->length - sizeof(value))
        memcpy(&value, table->bytes + offset, sizeof(value));
    return value;
}

uint64_t acpi_u64(const struct acpi_table *table, uint32_t offset)
{
    uint64_t value = 0;

    if (table->length >= sizeof(value) && offset <= table->length - sizeof(value))
        memcpy(&value, table->bytes + offset, sizeof(value));
    return value;
}

static uint8_t sum(const uint8_t *bytes, uint32_t count)
{
    uint8_t total = 0;

    while (count--)
        total = (uint8_t)(total + *bytes++);
    return total;
}

uint32_t acpi_header_length(const void *header)
{
    const struct acpi_table table = {header, ACPI_HEADER_BYTES};
    uint32_t length = acpi_u32(&table, 4);

    if (length >= ACPI_HEADER_BYTES && length <= ACPI_TABLE_MAX)
        return length;
    log_warn("ACPI %.4s: offset 0x4: length %u cannot be", (const char *)header, (unsigned)length);
    return 0;
}

bool acpi_table_valid(const struct acpi_table *table, const char *signature)
{
    if (memcmp(table->bytes, signature, 4)) {
        log_warn("ACPI %s: offset 0x0: signature is %.4s", signature, (const char *)table->bytes);
        return false;
    }
    if (sum(table->bytes, table->length)) {
        log_warn("ACPI %s: offset 0x9: checksum is wrong", signature);
        return false;
    }
    return true;
}

/* Section 5.2.5.3. */
int acpi_parse_rsdp(const void *rsdp, uint64_t *rsdt, uint64_t *xsdt)
{
    const struct acpi_table table = {rsdp, ACPI_RSDP_BYTES};
    bool has_xsdt = acpi_u8(&table, 15) >= 2;

    *rsdt = 0;
    *xsdt = 0;
    if (memcmp(rsdp, "RSD PTR ", 8)) {
        log_error("ACPI RSDP: offset 0x0: no signature");
        return ERR_MALFORMED;
    }
    if (sum(table.bytes, 20)) {
        log_error("ACPI RSDP: offset 0x8: checksum is wrong");
        return ERR_MALFORMED;
    }
    *rsdt = acpi_u32(&table, 16);
    if (has_xsdt && sum(table.bytes, ACPI_RSDP_BYTES))
        log_warn("ACPI RSDP: offset 0x20: extended checksum is wrong; the XSDT is left out");
    else if (has_xsdt)
        *xsdt = acpi_u64(&table, 24);
    return 0;
}

static void add_cpu(struct acpi_madt *cpus, uint32_t offset, uint32_t apic_id, uint32_t flags)
{
    const uint32_t enabled = 1, online_capable = 2;

    if (!(flags & enabled)) {
        cpus->pluggable += (flags & online_capable) != 0;
        return;
    }
    for (unsigned i = 0; i < cpus->count; i++) {
        if (cpus->apic_ids[i] == apic_id) {
            log_warn("ACPI MADT: offset 0x%x: APIC id %u was there before; left out", (unsigned)offset,
                     (unsigned)apic_id);
            return;
        }
    }
    if (cpus->count == ARRAY_SIZE(cpus->apic_ids)) {
        log_warn("ACPI MADT: offset 0x%x: more than %zu CPUs; APIC id %u is left out", (unsigned)offset,
                 ARRAY_SIZE(cpus->apic_ids), (unsigned)apic_id);
        return;
    }
    cpus->apic_ids[cpus->count++] = apic_id;
}

static void add_io_apic(struct acpi_madt *found, uint32_t offset, struct acpi_io_apic io_apic)
{
    if (found->io_apic_count == ARRAY_SIZE(found->io_apics))
        log_warn("ACPI MADT: offset 0x%x: more than %zu I/O APICs; this one is left out", (unsigned)offset,
                 ARRAY_SIZE(found->io_apics));
    else
        found->io_apics[found->io_apic_count++] = io_apic;
}

/* The least length of an entry. */
static uint8_t madt_entry_bytes(uint8_t type)
{
    switch (type) {
    case MADT_LOCAL_APIC:
        return 8;
    case MADT_IO_APIC:
        return 12;
    case MADT_LOCAL_X2APIC:
        return 16;
    default:
        return 2;
    }
}

/* Sections 5.2.12.2, 5.2.12.3 and 5.2.12.12. */
void acpi_parse_madt(const struct acpi_table *madt, struct acpi_madt *found)
{
    for (uint32_t offset = 44; offset < madt->length;) {
        uint8_t type = acpi_u8(madt, offset);
        uint8_t bytes = acpi_u8(madt, offset + 1);

        if (bytes < madt_entry_bytes(type) || bytes > madt->length - offset) {
            log_warn("ACPI MADT: offset 0x%x: entry of type %u has %u bytes; the rest is left out",
                     (unsigned)offset, type, bytes);
            return;
        }
        /* 0xff and 0xffffffff are the broadcast addresses. */
        if (type == MADT_LOCAL_APIC && acpi_u8(madt, offset + 3) != 0xff)
            add_cpu(found, offset, acpi_u8(madt, offset + 3), acpi_u32(madt, offset + 4));
        else if (type == MADT_LOCAL_X2APIC && acpi_u32(madt, offset + 4) != 0xffffffff)
            add_cpu(found, offset, acpi_u32(madt, offset + 4), acpi_u32(madt, offset + 8));
        else if (type == MADT_IO_APIC)
            add_io_apic(found, offset,
                        (struct acpi_io_apic){.address = acpi_u32(madt, offset + 4),
                                              .first_gsi = acpi_u32(madt, offset + 8),
                                              .id = acpi_u8(madt, offset + 2)});
        offset += bytes;
    }
}

static bool ecam_overlaps(const struct acpi_info *info, const struct acpi_ecam *ecam)
{
    for (unsigned i = 0; i < info->ecam_count; i++)
        if (info->ecam[i].segment == ecam->segment && info->ecam[i].first_bus <= ecam->last_bus &&
            ecam->first_bus <= info->ecam[i].last_bus)
            return true;
    return false;
}

void acpi_parse_mcfg(const struct acpi_table *mcfg, struct acpi_info *info)
{
    for (uint32_t offset = 44; offset + 16 <= mcfg->length; offset += 16) {
        struct acpi_ecam ecam = {
            .base = acpi_u64(mcfg, offset),
            .segment = acpi_u16(mcfg, offset + 8),
            .first_bus = acpi_u8(mcfg, offset + 10),
            .last_bus = acpi_u8(mcfg, offset + 11),
        };
        const char *why = NULL;

        if (!ecam.base || !is_aligned(ecam.base, MIB) || ecam.base > 1ull << 52)
            why = "address cannot be";
        else if (ecam.first_bus > ecam.last_bus)
            why = "first bus is above the last";
        else if (ecam_overlaps(info, &ecam))
            why = "buses were there before";
        else if (info->ecam_count == ACPI_ECAM_MAX)
            why = "too many entries";
        if (why)
            log_warn("ACPI MCFG: offset 0x%x: %s; left out", (unsigned)offset, why);
        else
            info->ecam[info->ecam_count++] = ecam;
    }
}

void acpi_parse_spcr(const struct acpi_table *spcr, struct acpi_console *console)
{
    const uint8_t width_in_register = 0x12;
    uint8_t type = acpi_u8(spcr, 36);
    struct acpi_register registers = {
        .space = acpi_u8(spcr, 40),
        .width = acpi_u8(spcr, 41),
        .address = acpi_u64(spcr, 44),
    };

    /* Types of the DBG2 specification's table 3: 0 and 1 are a 16550's registers, one byte each. */
    if (type > 1 && type != width_in_register) {
        log_info("ACPI SPCR: the console (type 0x%x) is not like a 16550", type);
        return;
    }
    if (registers.space > ACPI_SPACE_IO || (registers.space == ACPI_SPACE_IO && registers.address > 0xfff8)) {
        log_warn("ACPI SPCR: offset 0x28: address 0x%lx in space %u cannot be",
                 (unsigned long)registers.address, registers.space);
        return;
    }
    console->registers = registers;
    console->stride = registers.width == 32 ? 4 : registers.width == 16 ? 2 : 1;
}
