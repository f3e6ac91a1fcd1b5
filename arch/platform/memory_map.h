/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory map that the loader handed over. Any CPU, any context, after memory_map_init(). */
#pragma once

#include "boot/boot_info.h"
#include <stdbool.h>
#include <stdint.h>

/* Once, first. info must stay. */
void memory_map_init(const struct boot_info *info);

/* The map, sorted, *count entries. */
const struct boot_memory *memory_map(uint64_t *count);

/* True if any of [hpa, hpa + bytes) is memory that is in use or can be: registers that firmware's tables
 * place there cannot be. */
bool memory_map_is_memory(uint64_t hpa, uint64_t bytes);

/* True if all of [hpa, hpa + bytes) lies in one entry of this type. */
bool memory_map_has(enum boot_memory_type type, uint64_t hpa, uint64_t bytes);

/* True if all of [hpa, hpa + bytes) is listed, as anything but device registers: it may be read. */
bool memory_map_is_readable(uint64_t hpa, uint64_t bytes);

/* For people. */
const char *memory_type_name(uint64_t type);
