/* SPDX-License-Identifier: BSD-2-Clause */
/* A sorted array of ranges, into which the next one is cut. Maps have some hundred ranges, so moving is
 * cheap. */
#include "boot/memory_map.h"
#include <string.h>

/* Replaces the ranges [first, first + removed) by inserted new ones, which the caller then fills in. */
static bool splice(struct memory_map *map, uint64_t first, uint64_t removed, uint64_t inserted)
{
    uint64_t after = map->count - first - removed;

    if (map->count - removed + inserted > map->capacity)
        return false;
    memmove(&map->range[first + inserted], &map->range[first + removed], after * sizeof(*map->range));
    map->count = map->count - removed + inserted;
    return true;
}

bool memory_map_set(struct memory_map *map, uint64_t hpa, uint64_t end, enum boot_memory_type type)
{
    struct boot_memory piece[3];
    uint64_t pieces = 0;
    uint64_t first = 0;
    uint64_t behind;

    if (hpa >= end)
        return true;

    /* Ranges that only touch it are taken too, so that equal ones merge. */
    while (first < map->count && map->range[first].end < hpa)
        first++;
    behind = first;
    while (behind < map->count && map->range[behind].hpa <= end)
        behind++;

    struct boot_memory self = {hpa, end, type};
    if (behind > first) {
        struct boot_memory before = map->range[first];
        struct boot_memory after = map->range[behind - 1];

        if (before.hpa < hpa && before.type == type)
            self.hpa = before.hpa;
        else if (before.hpa < hpa)
            piece[pieces++] = (struct boot_memory){before.hpa, hpa, before.type};
        if (after.end > end && after.type == type)
            self.end = after.end;
        piece[pieces++] = self;
        if (after.end > end && after.type != type)
            piece[pieces++] = (struct boot_memory){end, after.end, after.type};
    } else {
        piece[pieces++] = self;
    }
    if (!splice(map, first, behind - first, pieces))
        return false;
    memcpy(&map->range[first], piece, pieces * sizeof(piece[0]));
    return true;
}
