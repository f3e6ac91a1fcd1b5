/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds page tables from a pool. Tables are reached at their physical addresses. */
#include "boot/tables.h"
#include "lib/units.h"
#include <string.h>

#define ENTRIES    512u
#define INDEX_LG2  9
#define PRESENT    1ull
#define LARGE_LEAF (1ull << 7)
#define ADDRESS    0x000ffffffffff000ull

static uint64_t *table_at(uint64_t hpa)
{
    return (uint64_t *)(uintptr_t)hpa;
}

/* What one entry at level covers; level 0 has the 4 KiB leaves. */
static uint64_t entry_size(unsigned level)
{
    return PAGE_SIZE << (INDEX_LG2 * level);
}

static unsigned top_level(const struct tables *tables)
{
    return tables->levels5 ? 4 : 3;
}

bool tables_new(struct tables *tables, uint64_t *hpa)
{
    if (tables->used == tables->pages)
        return false;
    *hpa = tables->pool + tables->used++ * PAGE_SIZE;
    memset(table_at(*hpa), 0, PAGE_SIZE);
    return true;
}

/* The entry for va at level, with all tables above it made as needed; NULL when the pool is used up. */
static uint64_t *entry_for(struct tables *tables, uint64_t root, uint64_t va, unsigned level)
{
    uint64_t table = root;

    for (unsigned at_level = top_level(tables);; at_level--) {
        uint64_t *entry = &table_at(table)[va / entry_size(at_level) % ENTRIES];

        if (at_level == level)
            return entry;
        if (!(*entry & PRESENT)) {
            uint64_t below;

            if (!tables_new(tables, &below))
                return NULL;
            *entry = below | TABLES_WRITE | PRESENT;
        }
        table = *entry & ADDRESS;
    }
}

static unsigned leaf_level(const struct tables *tables, uint64_t va, uint64_t hpa, uint64_t bytes)
{
    unsigned level = tables->gib_pages ? 2 : 1;

    while (level > 0 && (!is_aligned(va | hpa, entry_size(level)) || bytes < entry_size(level)))
        level--;
    return level;
}

bool tables_map(struct tables *tables, uint64_t root, uint64_t va, uint64_t hpa, uint64_t bytes,
                uint64_t rights)
{
    while (bytes > 0) {
        unsigned level = leaf_level(tables, va, hpa, bytes);
        uint64_t *entry = entry_for(tables, root, va, level);

        if (!entry)
            return false;
        *entry = hpa | rights | PRESENT | (level > 0 ? LARGE_LEAF : 0);
        va += entry_size(level);
        hpa += entry_size(level);
        bytes -= entry_size(level);
    }
    return true;
}

bool tables_reserve(struct tables *tables, uint64_t root, uint64_t va)
{
    return entry_for(tables, root, va, 2) != NULL;
}

void tables_share_upper_half(uint64_t root, uint64_t from)
{
    memcpy(&table_at(root)[ENTRIES / 2], &table_at(from)[ENTRIES / 2], ENTRIES / 2 * sizeof(uint64_t));
}
