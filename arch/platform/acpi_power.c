/* SPDX-License-Identifier: BSD-2-Clause */
/* The FADT's registers for reset, sleep and the PM timer, and the one thing in AML that is read: the sleep
 * types of S5. */
#include "arch/platform/acpi_tables.h"
#include "lib/log.h"
#include <string.h>

/* Section 5.2.9, table 5.9. */
enum {
    FADT_DSDT = 40,
    FADT_PM1A_CONTROL = 64,
    FADT_PM1B_CONTROL = 68,
    FADT_PM_TIMER = 76,
    FADT_FLAGS = 112,
    FADT_FLAGS_RESET = 1 << 10,
    FADT_FLAGS_HARDWARE_REDUCED = 1 << 20,
    FADT_RESET = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_CONTROL = 172,
    FADT_X_PM1B_CONTROL = 184,
    FADT_X_PM_TIMER = 208,
    FADT_SLEEP_CONTROL = 244,
};

static struct acpi_register read_register(const struct acpi_table *table, uint32_t offset)
{
    return (struct acpi_register){
        .space = acpi_u8(table, offset),
        .width = acpi_u8(table, offset + 1),
        .address = acpi_u64(table, offset + 4),
    };
}

/* A register that has a place of its own in the long form of the table, and in the short form the number of a
 * port. */
static struct acpi_register read_extended(const struct acpi_table *fadt, uint32_t extended, uint32_t port,
                                          uint8_t width)
{
    struct acpi_register found = read_register(fadt, extended);

    if (!found.address)
        found =
            (struct acpi_register){.space = ACPI_SPACE_IO, .width = width, .address = acpi_u32(fadt, port)};
    if (found.space == ACPI_SPACE_IO && found.address > 0xffff) {
        log_warn("ACPI FADT: offset 0x%x: port 0x%lx cannot be", (unsigned)port,
                 (unsigned long)found.address);
        found.address = 0;
    }
    return found;
}

void acpi_parse_fadt(const struct acpi_table *fadt, struct acpi_power *power, uint64_t *dsdt)
{
    uint32_t flags = acpi_u32(fadt, FADT_FLAGS);
    struct acpi_register pm_timer = read_extended(fadt, FADT_X_PM_TIMER, FADT_PM_TIMER, 32);

    if (flags & FADT_FLAGS_RESET) {
        power->reset = read_register(fadt, FADT_RESET);
        power->reset_value = acpi_u8(fadt, FADT_RESET_VALUE);
    }
    power->hardware_reduced = flags & FADT_FLAGS_HARDWARE_REDUCED;
    if (power->hardware_reduced) {
        power->sleep_control = read_register(fadt, FADT_SLEEP_CONTROL);
    } else {
        power->pm1a_control = read_extended(fadt, FADT_X_PM1A_CONTROL, FADT_PM1A_CONTROL, 16);
        power->pm1b_control = read_extended(fadt, FADT_X_PM1B_CONTROL, FADT_PM1B_CONTROL, 16);
        if (pm_timer.space == ACPI_SPACE_IO)
            power->pm_timer_port = (uint16_t)pm_timer.address;
    }
    *dsdt = acpi_u64(fadt, FADT_X_DSDT);
    if (!*dsdt)
        *dsdt = acpi_u32(fadt, FADT_DSDT);
}

/* AML, section 20.2: a number in a package, if it is a constant. Moves *offset behind it. */
static bool read_constant(const struct acpi_table *dsdt, uint32_t *offset, uint8_t *value)
{
    switch (acpi_u8(dsdt, *offset)) {
    case 0x00: /* ZeroOp, OneOp */
    case 0x01:
        *value = acpi_u8(dsdt, *offset);
        *offset += 1;
        return true;
    case 0x0a: /* BytePrefix */
        *value = acpi_u8(dsdt, *offset + 1);
        *offset += 2;
        return true;
    case 0x0b: /* WordPrefix */
        *value = (uint8_t)acpi_u16(dsdt, *offset + 1);
        *offset += 3;
        return true;
    case 0x0c: /* DWordPrefix */
        *value = (uint8_t)acpi_u32(dsdt, *offset + 1);
        *offset += 5;
        return true;
    default:
        return false;
    }
}

/* Name (_S5_, Package () {a, b, ...}): NameOp, perhaps a root prefix, the name at offset, PackageOp, a length
 * of 1 to 4 bytes, the number of elements, the elements. */
static bool read_s5(const struct acpi_table *dsdt, uint32_t offset, struct acpi_power *power)
{
    const uint8_t name_op = 0x08, package_op = 0x12;
    uint8_t before = acpi_u8(dsdt, offset - 1);

    if (before != name_op && !(before == '\\' && acpi_u8(dsdt, offset - 2) == name_op))
        return false;
    offset += 4;
    if (acpi_u8(dsdt, offset) != package_op)
        return false;
    offset += 2 + (acpi_u8(dsdt, offset + 1) >> 6);
    if (offset >= dsdt->length || acpi_u8(dsdt, offset) < 2)
        return false;
    offset++;
    return read_constant(dsdt, &offset, &power->s5_type_a) &&
           read_constant(dsdt, &offset, &power->s5_type_b) && offset <= dsdt->length;
}

void acpi_parse_dsdt(const struct acpi_table *dsdt, struct acpi_power *power)
{
    for (uint32_t offset = ACPI_HEADER_BYTES + 1; offset + 4 <= dsdt->length && !power->has_s5; offset++)
        if (!memcmp(dsdt->bytes + offset, "_S5_", 4))
            power->has_s5 = read_s5(dsdt, offset, power);
}
