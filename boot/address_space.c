/* SPDX-License-Identifier: BSD-2-Clause */
/* What is mapped when Lull starts: its image, the page for AP start and all memory; and for calls into
 * firmware what its runtime services use. */
#include "boot/address_space.h"
#include "lib/units.h"

/* The rights in the direct map; 0: it is not there. What the firmware still needs is only looked at: its code
 * can be executed in the tables for calls, and must not be writable here. */
static uint64_t direct_rights(const struct boot_memory *range)
{
    switch (range->type) {
    case BOOT_MEMORY_FREE:
    case BOOT_MEMORY_LULL:
        return TABLES_WRITE | TABLES_NO_EXECUTE;
    case BOOT_MEMORY_ACPI:
    case BOOT_MEMORY_RUNTIME:
        return TABLES_NO_EXECUTE;
    default:
        return 0;
    }
}

static bool map_directly(struct tables *tables, uint64_t root, uint64_t hpa, uint64_t end, uint64_t rights)
{
    return hpa >= end || tables_map(tables, root, DIRECT_MAP_BASE + hpa, hpa, end - hpa, rights);
}

/* The image's own pages are left out: there they could be written. */
static bool map_memory(struct tables *tables, const struct memory_map *memory, const struct boot_info *info)
{
    uint64_t root = info->page_tables;

    for (uint64_t i = 0; i < memory->count;) {
        uint64_t hpa = memory->range[i].hpa;
        uint64_t end = memory->range[i].end;
        uint64_t rights = direct_rights(&memory->range[i++]);

        /* Neighbours together have larger leaves than each has. */
        while (rights && i < memory->count && memory->range[i].hpa == end &&
               direct_rights(&memory->range[i]) == rights)
            end = memory->range[i++].end;
        if (!rights)
            continue;
        if (hpa <= info->image && info->image_end <= end) {
            if (!map_directly(tables, root, hpa, info->image, rights) ||
                !map_directly(tables, root, info->image_end, end, rights))
                return false;
        } else if (!map_directly(tables, root, hpa, end, rights)) {
            return false;
        }
    }
    return true;
}

/* Firmware's code may keep data among it, so what runs as firmware may also be written; these tables are
 * loaded only for the time of a call. */
static bool map_runtime(struct tables *tables, const struct efi_map *map, uint64_t root)
{
    const EFI_MEMORY_DESCRIPTOR *descriptor;

    for (UINTN n = 0; (descriptor = efi_map_descriptor(map, n)); n++) {
        uint64_t rights = TABLES_WRITE;

        if (!efi_map_is_runtime(map, n))
            continue;
        if (descriptor->Type != EfiRuntimeServicesCode)
            rights |= TABLES_NO_EXECUTE;
        if (descriptor->Type == EfiMemoryMappedIO || descriptor->Type == EfiMemoryMappedIOPortSpace)
            rights |= TABLES_UNCACHED;
        if (!tables_map(tables, root, descriptor->PhysicalStart, descriptor->PhysicalStart,
                        descriptor->NumberOfPages * PAGE_SIZE, rights))
            return false;
    }
    return true;
}

bool address_space_build(struct tables *tables, const struct memory_map *memory, const struct efi_map *map,
                         const struct image *image, struct boot_info *info)
{
    uint64_t root, runtime;

    if (!tables_new(tables, &root) || !tables_new(tables, &runtime))
        return false;
    info->page_tables = root;
    info->runtime_tables = runtime;
    if (!tables_map(tables, root, info->ap_start, info->ap_start, PAGE_SIZE, 0) ||
        !image_map(image, tables, root) || !map_memory(tables, memory, info) ||
        !tables_reserve(tables, root, MMIO_BASE) || !tables_reserve(tables, root, STACKS_BASE) ||
        !map_runtime(tables, map, runtime))
        return false;

    /* Last: by now every top entry of the upper half that Lull will use is there. */
    tables_share_upper_half(runtime, root);
    return true;
}
