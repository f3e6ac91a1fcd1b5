/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory map that Lull gets: sorted, without overlaps, neighbours of one type merged. Knows nothing of
 * UEFI. */
#pragma once

#include "boot/boot_info.h"
#include "lib/compiler.h"
#include <stdbool.h>

struct memory_map {
    struct boot_memory *range;
    uint64_t count;
    uint64_t capacity;
};

/* Makes [hpa, end) of the given type, whatever it was before. False, with the map in an undefined state, when
 * it needs more ranges than there is room for: each call adds at most two. */
bool memory_map_set(struct memory_map *map, uint64_t hpa, uint64_t end, enum boot_memory_type type)
    MUST_CHECK;
