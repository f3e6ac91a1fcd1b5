/* SPDX-License-Identifier: BSD-2-Clause */
/* The DMAR (VT-d specification, chapter 8), and a longer one in its place. */
#include "tests/firmware/firmware.h"
#include <string.h>

enum {
    RSDP_XSDT = 24,
    TABLE_LENGTH = 4,
    TABLE_CHECKSUM = 9,
    TABLE_BYTES = 36,
    DMAR_BYTES = 48,
    DRHD_REGISTERS = 8,
    RMRR_BYTES = 24,
    SCOPE_BYTES = 8,
};

/* ACPI aligns nothing. */
static uint64_t get64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t length_of(const uint8_t *table)
{
    uint32_t length;

    memcpy(&length, table + TABLE_LENGTH, sizeof length);
    return length;
}

static uint8_t *find_xsdt(void)
{
    EFI_GUID acpi_20 = ACPI_20_TABLE_GUID;

    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++)
        if (CompareGuid(&ST->ConfigurationTable[i].VendorGuid, &acpi_20) == 0)
            return (uint8_t *)get64((uint8_t *)ST->ConfigurationTable[i].VendorTable + RSDP_XSDT);
    give_up(L"no ACPI");
}

/* Where the XSDT points to the DMAR. */
static uint8_t *find_entry(uint8_t *xsdt)
{
    for (uint32_t at = TABLE_BYTES; at < length_of(xsdt); at += 8)
        if (memcmp((void *)get64(xsdt + at), "DMAR", 4) == 0)
            return xsdt + at;
    give_up(L"no DMAR");
}

static void seal(uint8_t *table)
{
    uint8_t sum = 0;

    table[TABLE_CHECKSUM] = 0;
    for (uint32_t i = 0; i < length_of(table); i++)
        sum = (uint8_t)(sum + table[i]);
    table[TABLE_CHECKSUM] = (uint8_t)-sum;
}

volatile uint8_t *dmar_first_unit(void)
{
    const uint8_t *dmar = (const uint8_t *)get64(find_entry(find_xsdt()));

    return (volatile uint8_t *)get64(dmar + DMAR_BYTES + DRHD_REGISTERS);
}

void dmar_add_rmrr(uint64_t first, uint64_t last, const struct uhci *uhci)
{
    uint8_t *xsdt = find_xsdt();
    uint8_t *entry = find_entry(xsdt);
    const uint8_t *old = (const uint8_t *)get64(entry);
    uint8_t *dmar = take_pages(EfiACPIReclaimMemory, 1);
    uint32_t bytes = length_of(old);
    uint8_t *rmrr = dmar + bytes;
    uint64_t hpa = (uint64_t)dmar;

    if (bytes > PAGE - RMRR_BYTES - SCOPE_BYTES)
        give_up(L"a long DMAR");
    memcpy(dmar, old, bytes);
    rmrr[0] = 1; /* RMRR, for one endpoint on bus 0 */
    rmrr[2] = RMRR_BYTES + SCOPE_BYTES;
    memcpy(rmrr + 8, &first, sizeof first);
    memcpy(rmrr + 16, &last, sizeof last);
    rmrr[RMRR_BYTES] = 1;
    rmrr[RMRR_BYTES + 1] = SCOPE_BYTES;
    rmrr[RMRR_BYTES + 6] = uhci->device;
    rmrr[RMRR_BYTES + 7] = uhci->function;
    bytes += RMRR_BYTES + SCOPE_BYTES;
    memcpy(dmar + TABLE_LENGTH, &bytes, sizeof bytes);
    seal(dmar);
    memcpy(entry, &hpa, sizeof hpa);
    seal(xsdt);
    say("RMRR %lx-%lx for 00:%02x.%x", first, last, uhci->device, uhci->function);
}
