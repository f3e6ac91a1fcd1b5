/* SPDX-License-Identifier: BSD-2-Clause */
/* What is mapped when Lull starts: its image, the page for AP start and all memory; and for calls into
 * firmware what its runtime services use. */
#include "boot/address_space.h"
#include "lib/units.h"

static bool in_direct_map(const struct boot_memory *range)
{
    return range->type == BOOT_MEMORY_FREE || range->type == BOOT_MEMORY_LULL ||
           range->type == BOOT_MEMORY_ACPI || range->type == BOOT_MEMORY_RUNTIME;
}

static bool map_directly(struct tables *tables, uint64_t root, uint64_t hpa, uint64_t end)
{
    return hpa >= end ||
           tables_map(tables, root, DIRECT_MAP_BASE + hpa, hpa, end - hpa, TABLES_WRITE | TABLES_NO_EXECUTE);
}

/* The image's own pages are left out: there they could be written. */
static bool map_memory(struct tables *tables, const struct memory_map *memory, const struct boot_info *info)
{
    uint64_t root = info->page_tables;

    for (uint64_t i = 0; i < memory->count;) {
        uint64_t hpa = memory->range[i].hpa;
        uint64_t end = memory->range[i].end;
        bool mapped = in_direct_map(&memory->range[i++]);

        /* Neighbours together have larger leaves than each has. */
        while (mapped && i < memory->count && memory->range[i].hpa == end && in_direct_map(&memory->range[i]))
            end = memory->range[i++].end;
        if (!mapped)
            continue;
        if (hpa <= info->image && info->image_end <= end) {
            if (!map_directly(tables, root, hpa, info->image) ||
                !map_directly(tables, root, info->image_end, end))
                return false;
        } else if (!map_directly(tables, root, hpa, end)) {
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

    tables->used = 0;
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
