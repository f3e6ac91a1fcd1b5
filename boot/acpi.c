/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the DMAR (ACPI 6.5, 5.2.5 to 5.2.8). Nothing here is trusted: an address is followed only into what
 * the memory map lists, a table is read only as far as its length was checked. */
#include "boot/acpi.h"
#include "lib/config.h"
#include "lib/units.h"
#include <string.h>

#define RSDP_SIGNATURE     "RSD PTR "
#define RSDP_BYTES_1       20 /* of ACPI 1.0's: what its checksum covers */
#define RSDP_BYTES_2       36
#define RSDP_REVISION      15
#define RSDP_RSDT          16
#define RSDP_XSDT          24
#define TABLE_LENGTH       4
#define TABLE_CHECKSUM     9
#define TABLE_HEADER_BYTES 36
#define TABLE_BYTES_MAX    MIB
#define DMAR_HEADER_BYTES  48

static uint32_t read32(uint64_t hpa)
{
    uint32_t value;

    memcpy(&value, at(hpa), sizeof(value));
    return value;
}

static uint64_t read64(uint64_t hpa)
{
    uint64_t value;

    memcpy(&value, at(hpa), sizeof(value));
    return value;
}

/* 0 for a table whose checksum is right. */
static uint8_t sum(uint64_t hpa, uint64_t bytes)
{
    const uint8_t *byte = at(hpa);
    uint8_t total = 0;

    for (uint64_t i = 0; i < bytes; i++)
        total = (uint8_t)(total + byte[i]);
    return total;
}

uint64_t acpi_rsdp(void)
{
    EFI_GUID guid[] = {ACPI_20_TABLE_GUID, ACPI_TABLE_GUID};

    for (size_t i = 0; i < ARRAY_SIZE(guid); i++)
        for (UINTN n = 0; n < ST->NumberOfTableEntries; n++)
            if (CompareGuid(&ST->ConfigurationTable[n].VendorGuid, &guid[i]) == 0)
                return (uint64_t)(uintptr_t)ST->ConfigurationTable[n].VendorTable;
    return 0;
}

/* The length of the table at hpa, or 0, after saying why, if it cannot be one. */
static uint32_t table_bytes(uint64_t hpa, const struct efi_map *map, const char *name)
{
    uint32_t bytes;

    if (!efi_map_has(map, hpa, TABLE_HEADER_BYTES)) {
        say("ACPI: %a refused: address 0x%lx is not in the memory map", name, hpa);
        return 0;
    }
    bytes = read32(hpa + TABLE_LENGTH);
    if (bytes < TABLE_HEADER_BYTES || bytes > TABLE_BYTES_MAX || !efi_map_has(map, hpa, bytes)) {
        say("ACPI: %a at 0x%lx refused: offset 4, length %d", name, hpa, bytes);
        return 0;
    }
    return bytes;
}

/* The XSDT, or the RSDT where there is none; *entry_bytes is the size of a pointer in it. 0 if neither is
 * sound. */
static uint64_t root_table(uint64_t rsdp, const struct efi_map *map, unsigned *entry_bytes, uint32_t *bytes)
{
    bool has_xsdt;
    uint64_t root;

    if (!efi_map_has(map, rsdp, RSDP_BYTES_2) || memcmp(at(rsdp), RSDP_SIGNATURE, 8) != 0 ||
        sum(rsdp, RSDP_BYTES_1) != 0) {
        say("ACPI: RSDP at 0x%lx refused: signature or checksum", rsdp);
        return 0;
    }
    has_xsdt = *(uint8_t *)at(rsdp + RSDP_REVISION) >= 2 && read64(rsdp + RSDP_XSDT) != 0;
    root = has_xsdt ? read64(rsdp + RSDP_XSDT) : read32(rsdp + RSDP_RSDT);
    *entry_bytes = has_xsdt ? 8 : 4;
    *bytes = table_bytes(root, map, has_xsdt ? "XSDT" : "RSDT");
    if (*bytes == 0)
        return 0;
    if (memcmp(at(root), has_xsdt ? "XSDT" : "RSDT", 4) != 0 || sum(root, *bytes) != 0) {
        say("ACPI: %a at 0x%lx refused: signature or checksum", has_xsdt ? "XSDT" : "RSDT", root);
        return 0;
    }
    return root;
}

static uint64_t find_table(uint64_t rsdp, const struct efi_map *map, const char *signature)
{
    unsigned entry_bytes;
    uint32_t bytes;
    uint64_t root = root_table(rsdp, map, &entry_bytes, &bytes);

    if (root == 0)
        return 0;
    for (uint32_t offset = TABLE_HEADER_BYTES; offset + entry_bytes <= bytes; offset += entry_bytes) {
        uint64_t table = entry_bytes == 8 ? read64(root + offset) : read32(root + offset);

        if (efi_map_has(map, table, TABLE_HEADER_BYTES) && memcmp(at(table), signature, 4) == 0)
            return table;
    }
    return 0;
}

/* Applies dmar_poke to the copy of the table, for tests of how a damaged one is refused. The checksum is
 * mended over what the length field then says, so that the damage itself is what the reader finds, unless a
 * poke is about it. */
static EFI_STATUS poke(const char *pokes, uint64_t dmar, uint64_t bytes)
{
    bool checksum_poked = false;
    uint64_t covered;

    for (;; pokes++) {
        uint64_t offset, value;

        if (!config_number(&pokes, bytes - 1, &offset) || *pokes++ != ':' ||
            !config_number(&pokes, UINT8_MAX, &value))
            return fail(EFI_INVALID_PARAMETER, "dmar_poke: beyond the table's %ld bytes: %a", bytes, pokes);
        *(uint8_t *)at(dmar + offset) = (uint8_t)value;
        checksum_poked |= offset == TABLE_CHECKSUM;
        if (*pokes != ',')
            break;
    }
    covered = read32(dmar + TABLE_LENGTH);
    if (covered > bytes)
        covered = bytes;
    if (!checksum_poked)
        *(uint8_t *)at(dmar + TABLE_CHECKSUM) -= sum(dmar, covered);
    return EFI_SUCCESS;
}

EFI_STATUS acpi_copy_dmar(uint64_t rsdp, const struct efi_map *map, const char *config, struct blocks *blocks,
                          uint64_t *hpa, uint64_t *bytes)
{
    char pokes[CONFIG_VALUE_MAX];
    bool poked = config_get(config, "dmar_poke", pokes, sizeof(pokes));
    uint64_t dmar = rsdp != 0 ? find_table(rsdp, map, "DMAR") : 0;

    *bytes = dmar != 0 ? table_bytes(dmar, map, "DMAR") : 0;
    if (*bytes > 0 && *bytes < DMAR_HEADER_BYTES) {
        say("ACPI: DMAR at 0x%lx refused: offset 4, length %ld", dmar, *bytes);
        *bytes = 0;
    }
    if (*bytes == 0)
        return poked ? fail(EFI_INVALID_PARAMETER, "dmar_poke: there is no DMAR here") : EFI_SUCCESS;

    if (EFI_ERROR(block_alloc(blocks, EfiLoaderData, *bytes, HIGHEST_ADDRESS, hpa)))
        return fail(EFI_OUT_OF_RESOURCES, "no memory for a copy of the DMAR");
    memcpy(at(*hpa), at(dmar), *bytes);
    return poked ? poke(pokes, *hpa, *bytes) : EFI_SUCCESS;
}
