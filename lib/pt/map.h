/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: map. A mapper is an RCU reader: it allocates outside of the read section, and links tables by
 * compare-and-swap from empty, since mappers of disjoint ranges share the upper ones. */
#pragma once

#include "lib/error.h"
#include "lib/mutant.h"
#include "lib/pt/spares.h"
#include "lib/pt/table.h"
#include "lib/pt/walk.h"
#include <string.h>

/* One call of map as it goes along. */
struct pt_mapping {
    uint64_t iova; /* what comes next */
    uint64_t last;
    uint64_t hpa;
    unsigned prot;
    struct pt_spares spares;
    unsigned spares_needed; /* for the next step */
};

static ALWAYS_INLINE unsigned pt_largest_leaf(const struct pt *pt, const struct pt_mapping *mapping)
{
    uint32_t levels = atomic_read(&pt->map_leaf_levels);

    for (unsigned level = 2; level; level--)
        if (levels & 1u << level && is_aligned(mapping->hpa, PT_ENTRY_SIZE(level)) &&
            pt_covers(mapping->iova, mapping->last, level))
            return level;
    return 0;
}

/* Leaves at level from the mapping's iova on that fit its range and end with their table. */
static ALWAYS_INLINE unsigned pt_leaf_run(const struct pt_mapping *mapping, unsigned level)
{
    uint64_t fit = (mapping->last + 1 - mapping->iova) >> PT_ENTRY_LG2(level);
    unsigned left = PT_ENTRIES - pt_index(mapping->iova, level);

    return fit < left ? (unsigned)fit : left;
}

static ALWAYS_INLINE uint64_t pt_leaf_bits(const struct pt_format *fmt, const struct pt *pt,
                                           const struct pt_mapping *mapping, unsigned level)
{
    uint64_t preset = pt->flags & PT_PRESET_DIRTY ? fmt->accessed | fmt->dirty : 0;

    return fmt->leaf(mapping->hpa, level, mapping->prot) | preset;
}

static ALWAYS_INLINE void pt_mapping_advance(struct pt_mapping *mapping, unsigned leaves, unsigned level)
{
    mapping->iova += (uint64_t)leaves << PT_ENTRY_LG2(level);
    mapping->hpa += (uint64_t)leaves << PT_ENTRY_LG2(level);
}

/* Fills count leaves into a table that nobody sees yet. */
static ALWAYS_INLINE void pt_fill_private(const struct pt_format *fmt, const struct pt *pt, uint64_t *table,
                                          const struct pt_mapping *mapping, unsigned level, unsigned count)
{
    unsigned first = pt_index(mapping->iova, level);
    uint64_t leaf = pt_leaf_bits(fmt, pt, mapping, level);

    for (unsigned i = 0; i < count; i++)
        table[first + i] = leaf + ((uint64_t)i << PT_ENTRY_LG2(level));
}

/* Fills leaves into a table that is linked. Plain whole stores: the range is the caller's alone, so nobody
 * else puts anything where it is empty (a frozen entry is not, until it is thawed), and hardware writes only
 * to what is present. ERR_BUSY if the table is frozen. */
static ALWAYS_INLINE int pt_fill_linked(const struct pt_format *fmt, const struct pt *pt, uint64_t *slot,
                                        struct pt_mapping *mapping, unsigned level)
{
    unsigned count = pt_leaf_run(mapping, level);
    uint64_t leaf = pt_leaf_bits(fmt, pt, mapping, level);
    unsigned done = 0;

    if (!pt_table_reserve(slot, count))
        return ERR_BUSY;
    for (; done < count && !pt_read(&slot[done]); done++)
        atomic_write_release(&slot[done], leaf + ((uint64_t)done << PT_ENTRY_LG2(level)));
    pt_flush(pt, slot, done);
    pt_mapping_advance(mapping, done, level);
    /* If that leaves nothing in the table nobody frees it, but the next step uses it: either what was in the
     * way has gone, or it is in the way still, and its owner frees the table. */
    if (done < count)
        (void)pt_table_release(slot, count - done);
    return 0;
}

/* Makes a path out of the mapping's spare tables, from the one that leaves at leaf_level go into up to the
 * one below level, and fills those leaves. Returns the entry that links it all. */
static ALWAYS_INLINE uint64_t pt_make_path(const struct pt_format *fmt, const struct pt *pt, unsigned level,
                                           unsigned leaf_level, const struct pt_mapping *mapping,
                                           unsigned filled)
{
    uint64_t *const *tables = mapping->spares.tables;
    uint64_t preset = pt->flags & PT_PRESET_DIRTY ? fmt->accessed : 0;
    uint64_t entry = 0;

    for (unsigned at = leaf_level; at < level; at++, tables++) {
        if (at == leaf_level) {
            pt_fill_private(fmt, pt, *tables, mapping, leaf_level, filled);
            pt_table_begin(*tables, filled);
        } else {
            (*tables)[pt_index(mapping->iova, at)] = entry | PT_SOFT_FLUSHED;
            pt_table_begin(*tables, 1);
        }
        if (!mutant(NO_TABLE_FLUSH))
            pt_flush(pt, *tables, PT_ENTRIES);
        entry = fmt->table(virt_to_phys(*tables)) | preset;
    }
    return entry;
}

/* Links a path of spare tables into slot, which is at level, by one store. If somebody else linked a table
 * there the spares are as empty as before. False if the table of slot is frozen. */
static ALWAYS_INLINE bool pt_link_path(const struct pt_format *fmt, struct pt *pt, uint64_t *slot,
                                       unsigned level, unsigned leaf_level, struct pt_mapping *mapping)
{
    uint64_t **tables = mapping->spares.tables;
    unsigned count = level - leaf_level;
    unsigned filled = pt_leaf_run(mapping, leaf_level);
    uint64_t entry, found = 0;

    if (!pt_table_reserve(slot, 1))
        return false;
    entry = pt_make_path(fmt, pt, level, leaf_level, mapping, filled);
    /* A full barrier: hardware and software that see the entry see what is in the tables. */
    if (!atomic_compare_exchange(slot, &found, entry)) {
        (void)pt_table_release(slot, 1);
        for (unsigned i = 0; i < count; i++)
            memset(tables[i], 0, PAGE_SIZE);
        return true;
    }
    pt_settle(pt, slot, entry);
    atomic_fetch_add(&pt->tables, count);
    mapping->spares.count -= count;
    memmove(tables, tables + count, mapping->spares.count * sizeof *tables);
    pt_mapping_advance(mapping, filled, leaf_level);
    return true;
}

/* Goes down to the lowest entry on the way to what comes next. */
static ALWAYS_INLINE uint64_t *pt_map_descend(const struct pt_format *fmt, const struct pt *pt, uint64_t iova,
                                              unsigned *level, uint64_t *entry)
{
    uint64_t *table = pt->root, *slot = NULL;
    unsigned top_level = pt->top_level;

#pragma GCC unroll 5
    for (unsigned at = PT_LEVELS_MAX; at--;) {
        if (at > top_level)
            continue;
        slot = &table[pt_index(iova, at)];
        *entry = pt_read(slot);
        *level = at;
        if (!pt_is_table(fmt, *entry, at))
            break;
        if (!mutant(NO_SETTLE))
            pt_settle(pt, slot, *entry);
        table = pt_child(fmt, *entry);
    }
    return slot;
}

/* Maps what lies in one table. ERR_NOMEM when spare tables are needed first; ERR_BUSY when somebody frees a
 * table that is empty: the way down has to be found anew. Inside a read section. */
static ALWAYS_INLINE int pt_map_step(const struct pt_format *fmt, struct pt *pt, struct pt_mapping *mapping)
{
    unsigned leaf_level = pt_largest_leaf(pt, mapping);
    unsigned level;
    uint64_t entry;
    uint64_t *slot = pt_map_descend(fmt, pt, mapping->iova, &level, &entry);

    if (entry == PT_FROZEN)
        return ERR_BUSY;
    if (entry)
        return ERR_EXISTS;
    if (level <= leaf_level)
        return pt_fill_linked(fmt, pt, slot, mapping, level);
    mapping->spares_needed = level - leaf_level;
    if (mapping->spares.count < mapping->spares_needed)
        return ERR_NOMEM;
    return pt_link_path(fmt, pt, slot, level, leaf_level, mapping) ? 0 : ERR_BUSY;
}

static ALWAYS_INLINE int pt_map(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                uint64_t hpa, unsigned prot, uint64_t *mapped_end)
{
    struct pt_mapping mapping = {.iova = iova, .last = last, .hpa = hpa, .prot = prot};
    int error = 0;

    while (!error && mapping.iova <= last) {
        rcu_read_lock();
        error = pt_map_step(fmt, pt, &mapping);
        rcu_read_unlock();
        if (error == ERR_NOMEM)
            error = pt_spares_fill(&mapping.spares, mapping.spares_needed);
        if (error == ERR_BUSY) {
            platform_relax();
            error = 0;
        }
        if (mapping.iova <= last)
            rcu_quiescent();
    }
    pt_spares_free(&mapping.spares);
    *mapped_end = mapping.iova;
    return error;
}
