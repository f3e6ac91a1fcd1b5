/* SPDX-License-Identifier: BSD-2-Clause */
/* Fetches the firmware's memory map and translates it. */
#include "boot/efi_map.h"
#include "lib/units.h"

#define PHYSICAL_LIMIT (1ull << 52)
#define LOWER_HALF_END (1ull << 47)

/* Allocating the buffer can add descriptors itself. */
#define SPARE_DESCRIPTORS 16

EFI_STATUS efi_map_get(struct efi_map *map)
{
    for (;;) {
        UINT32 version;
        EFI_STATUS status;

        map->bytes = map->capacity;
        status = BS->GetMemoryMap(&map->bytes, map->descriptors, &map->key, &map->stride, &version);
        if (!EFI_ERROR(status) && map->stride < sizeof(EFI_MEMORY_DESCRIPTOR))
            return EFI_INCOMPATIBLE_VERSION;
        if (status != EFI_BUFFER_TOO_SMALL)
            return status;
        efi_map_free(map);
        map->capacity = map->bytes + SPARE_DESCRIPTORS * map->stride;
        status = BS->AllocatePool(EfiLoaderData, map->capacity, &map->descriptors);
        if (EFI_ERROR(status)) {
            map->capacity = 0;
            return status;
        }
    }
}

void efi_map_free(struct efi_map *map)
{
    if (map->capacity > 0)
        BS->FreePool(map->descriptors);
    map->descriptors = NULL;
    map->capacity = 0;
}

const EFI_MEMORY_DESCRIPTOR *efi_map_descriptor(const struct efi_map *map, UINTN n)
{
    if ((n + 1) * map->stride > map->bytes)
        return NULL;
    return (const void *)((const char *)map->descriptors + n * map->stride);
}

bool efi_descriptor_sane(const EFI_MEMORY_DESCRIPTOR *descriptor)
{
    return is_aligned(descriptor->PhysicalStart, PAGE_SIZE) && descriptor->PhysicalStart < PHYSICAL_LIMIT &&
           descriptor->NumberOfPages > 0 &&
           descriptor->NumberOfPages <= (PHYSICAL_LIMIT - descriptor->PhysicalStart) / PAGE_SIZE;
}

static uint64_t descriptor_end(const EFI_MEMORY_DESCRIPTOR *descriptor)
{
    return descriptor->PhysicalStart + descriptor->NumberOfPages * PAGE_SIZE;
}

bool efi_map_has(const struct efi_map *map, uint64_t hpa, uint64_t bytes)
{
    const EFI_MEMORY_DESCRIPTOR *descriptor;

    for (UINTN n = 0; (descriptor = efi_map_descriptor(map, n)); n++)
        if (efi_descriptor_sane(descriptor) && hpa >= descriptor->PhysicalStart &&
            hpa < descriptor_end(descriptor) && bytes <= descriptor_end(descriptor) - hpa)
            return true;
    return false;
}

static bool wants_runtime(const EFI_MEMORY_DESCRIPTOR *descriptor)
{
    return efi_descriptor_sane(descriptor) && (descriptor->Attribute & EFI_MEMORY_RUNTIME);
}

bool efi_map_is_runtime(const struct efi_map *map, UINTN n)
{
    const EFI_MEMORY_DESCRIPTOR *descriptor = efi_map_descriptor(map, n);

    if (!wants_runtime(descriptor) || descriptor_end(descriptor) > LOWER_HALF_END)
        return false;
    for (UINTN i = 0; i < n; i++) {
        const EFI_MEMORY_DESCRIPTOR *before = efi_map_descriptor(map, i);

        if (wants_runtime(before) && before->PhysicalStart < descriptor_end(descriptor) &&
            descriptor->PhysicalStart < descriptor_end(before))
            return false;
    }
    return true;
}

void efi_map_report(const struct efi_map *map)
{
    const EFI_MEMORY_DESCRIPTOR *descriptor;

    for (UINTN n = 0; (descriptor = efi_map_descriptor(map, n)); n++) {
        if (!efi_descriptor_sane(descriptor))
            say("memory map: entry %d refused: address 0x%lx, %ld pages", (INT32)n, descriptor->PhysicalStart,
                descriptor->NumberOfPages);
        else if (wants_runtime(descriptor) && !efi_map_is_runtime(map, n))
            say("memory map: entry %d refused for runtime services: address 0x%lx, %ld pages", (INT32)n,
                descriptor->PhysicalStart, descriptor->NumberOfPages);
    }
}

/* False for what Lull has no name for: device registers that only drivers touch. */
static bool translate_type(const EFI_MEMORY_DESCRIPTOR *descriptor, enum boot_memory_type *type)
{
    switch (descriptor->Type) {
    case EfiLoaderCode:
    case EfiLoaderData:
    case EfiBootServicesCode:
    case EfiBootServicesData:
    case EfiConventionalMemory:
        /* Memory that cannot be cached write-back is not what an allocator means by memory. */
        *type = descriptor->Attribute & EFI_MEMORY_WB ? BOOT_MEMORY_FREE : BOOT_MEMORY_RESERVED;
        return true;
    case EfiACPIReclaimMemory:
    case EfiACPIMemoryNVS:
        *type = BOOT_MEMORY_ACPI;
        return true;
    case EfiRuntimeServicesCode:
    case EfiRuntimeServicesData:
        *type = BOOT_MEMORY_RUNTIME;
        return true;
    case EfiMemoryMappedIO:
    case EfiMemoryMappedIOPortSpace:
        *type = BOOT_MEMORY_RUNTIME_MMIO;
        return (descriptor->Attribute & EFI_MEMORY_RUNTIME) != 0;
    default:
        *type = BOOT_MEMORY_RESERVED;
        return true;
    }
}

static bool set_all_of_type(const struct efi_map *map, enum boot_memory_type wanted,
                            struct memory_map *translated)
{
    const EFI_MEMORY_DESCRIPTOR *descriptor;

    for (UINTN n = 0; (descriptor = efi_map_descriptor(map, n)); n++) {
        enum boot_memory_type type;

        if (efi_descriptor_sane(descriptor) && translate_type(descriptor, &type) && type == wanted &&
            !memory_map_set(translated, descriptor->PhysicalStart, descriptor_end(descriptor), type))
            return false;
    }
    return true;
}

bool efi_map_translate(const struct efi_map *map, const struct blocks *blocks, struct memory_map *translated)
{
    static const enum boot_memory_type order[] = {BOOT_MEMORY_FREE, BOOT_MEMORY_ACPI, BOOT_MEMORY_RUNTIME,
                                                  BOOT_MEMORY_RUNTIME_MMIO, BOOT_MEMORY_RESERVED};
    uint64_t end;

    translated->count = 0;

    /* Firmware's entries should not overlap. Where they do, the later one here wins: the one that forbids
     * more. */
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        if (!set_all_of_type(map, order[i], translated))
            return false;
    for (unsigned i = 0; i < blocks->count; i++)
        if (!memory_map_set(translated, blocks->block[i].hpa,
                            blocks->block[i].hpa + blocks->block[i].pages * PAGE_SIZE, BOOT_MEMORY_LULL))
            return false;

    /* Nobody is given page 0, so that a physical address of 0 is always a mistake. */
    if (translated->count > 0 && translated->range[0].hpa == 0 &&
        !memory_map_set(translated, 0, PAGE_SIZE, BOOT_MEMORY_RESERVED))
        return false;

    end = translated->count > 0 ? translated->range[translated->count - 1].end : 0;
    return memory_map_set(translated, HIGHEST_ADDRESS + 1, end, BOOT_MEMORY_RESERVED);
}
