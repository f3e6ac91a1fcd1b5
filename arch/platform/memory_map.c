/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the loader's memory map. */
#include "arch/platform/memory_map.h"
#include "lib/platform.h"

/* Set once by memory_map_init(): platform_mmio_map(), which asks, has no argument for it. */
static const struct boot_memory *entries;
static uint64_t entry_count;

void memory_map_init(const struct boot_info *info)
{
    entries = phys_to_virt(info->memory);
    entry_count = info->memory_count;
}

const struct boot_memory *memory_map(uint64_t *count)
{
    *count = entry_count;
    return entries;
}

static bool is_memory(uint64_t type)
{
    return type == BOOT_MEMORY_FREE || type == BOOT_MEMORY_LULL || type == BOOT_MEMORY_ACPI ||
           type == BOOT_MEMORY_RUNTIME;
}

bool memory_map_is_memory(uint64_t hpa, uint64_t bytes)
{
    if (bytes > UINT64_MAX - hpa)
        return true;
    for (uint64_t i = 0; i < entry_count; i++)
        if (is_memory(entries[i].type) && entries[i].hpa < hpa + bytes && hpa < entries[i].end)
            return true;
    return false;
}

bool memory_map_has(enum boot_memory_type type, uint64_t hpa, uint64_t bytes)
{
    for (uint64_t i = 0; i < entry_count; i++)
        if (entries[i].type == type && hpa >= entries[i].hpa && hpa < entries[i].end)
            return bytes <= entries[i].end - hpa;
    return false;
}

bool memory_map_is_readable(uint64_t hpa, uint64_t bytes)
{
    uint64_t end = hpa + bytes;

    if (bytes > UINT64_MAX - hpa)
        return false;
    for (uint64_t i = 0; i < entry_count && hpa < end; i++)
        if (entries[i].type != BOOT_MEMORY_RUNTIME_MMIO && entries[i].hpa <= hpa && hpa < entries[i].end)
            hpa = entries[i].end;
    return hpa >= end;
}

const char *memory_type_name(uint64_t type)
{
    static const char *const names[] = {
        [BOOT_MEMORY_FREE] = "free at boot",
        [BOOT_MEMORY_LULL] = "lull",
        [BOOT_MEMORY_ACPI] = "acpi",
        [BOOT_MEMORY_RUNTIME] = "firmware runtime",
        [BOOT_MEMORY_RUNTIME_MMIO] = "firmware registers",
        [BOOT_MEMORY_RESERVED] = "reserved",
    };

    return type < ARRAY_SIZE(names) ? names[type] : "unknown";
}
