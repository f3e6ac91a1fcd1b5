/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's memory map (UEFI 2.10, 7.2.3), and what Lull makes of it. */
#pragma once

#include "boot/loader.h"
#include "boot/memory_map.h"

struct efi_map {
    void *descriptors;
    UINTN bytes;
    UINTN capacity; /* of the buffer */
    UINTN stride;   /* from one descriptor to the next: not its sizeof */
    UINTN key;      /* says that the map is still this one */
};

/* Fetches the map as it is now, into a buffer that grows as needed. Uses memory allocation services only, so
 * it may be called after a failed ExitBootServices(). EFI_OUT_OF_RESOURCES, or the firmware's error. */
EFI_STATUS efi_map_get(struct efi_map *map);

void efi_map_free(struct efi_map *map);

/* Descriptor number n, or NULL behind the last one. */
const EFI_MEMORY_DESCRIPTOR *efi_map_descriptor(const struct efi_map *map, UINTN n);

/* True if a descriptor is about memory at all: aligned, not empty, and within 52 bits. */
bool efi_descriptor_sane(const EFI_MEMORY_DESCRIPTOR *descriptor);

/* True if [hpa, hpa + bytes) lies in one descriptor: firmware has it mapped. */
bool efi_map_has(const struct efi_map *map, uint64_t hpa, uint64_t bytes);

/* True if the firmware's runtime services use what descriptor number n is about, and it can be mapped 1:1 for
 * them: it lies in the lower half of four levels' addresses and does not overlap one before it. */
bool efi_map_is_runtime(const struct efi_map *map, UINTN n);

/* Says on the console what in the map is refused. */
void efi_map_report(const struct efi_map *map);

/* What each part of memory is for Lull. False when translated has no room for it. */
bool efi_map_translate(const struct efi_map *map, const struct blocks *blocks, struct memory_map *translated)
    MUST_CHECK;
