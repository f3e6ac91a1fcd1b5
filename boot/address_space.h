/* SPDX-License-Identifier: BSD-2-Clause */
/* The address spaces that the hypervisor is handed. */
#pragma once

#include "boot/efi_map.h"
#include "boot/image.h"
#include "boot/memory_map.h"
#include "boot/tables.h"

/* Builds both from the pool, and fills in info's page_tables and runtime_tables; its image, image_end
 * and ap_start are there. memory says what is mapped directly, map what the firmware's runtime services need.
 * False when the pool is used up. */
bool address_space_build(struct tables *tables, const struct memory_map *memory, const struct efi_map *map,
                         const struct image *image, struct boot_info *info) MUST_CHECK;
