/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: map. A mapper is an RCU reader: it allocates outside of the read section, and installs by
 * compare-and-swap from empty, since mappers of disjoint ranges share the upper tables. */
#pragma once

#include "lib/error.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/pt/walk.h"
#include <string.h>

/* One call of map as it goes along. */
struct pt_mapping {
    uint64_t iova; /* what comes next */
    uint64_t last;
    uint64_t hpa;
    unsigned prot;
    uint64_t *spare; /* an empty table, or NULL */
};

static ALWAYS_INLINE unsigned pt_largest_leaf(const struct pt *pt, const struct pt_mapping *mapping)
{
    for (unsigned level = 2; level; level--)
        if (pt->leaf_levels & 1u << level && is_aligned(mapping->hpa, PT_ENTRY_SIZE(level)) &&
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

/* Fills leaves into a table that nobody sees yet. Returns how many. */
static ALWAYS_INLINE unsigned pt_fill_private(const struct pt_format *fmt, const struct pt *pt,
                                              uint64_t *table, const struct pt_mapping *mapping,
                                              unsigned level)
{
    unsigned count = pt_leaf_run(mapping, level);
    unsigned first = pt_index(mapping->iova, level);
    uint64_t leaf = pt_leaf_bits(fmt, pt, mapping, level);

    for (unsigned i = 0; i < count; i++)
        table[first + i] = leaf + ((uint64_t)i << PT_ENTRY_LG2(level));
    return count;
}

/* Fills leaves into a table that is linked. */
static ALWAYS_INLINE int pt_fill_linked(const struct pt_format *fmt, const struct pt *pt, uint64_t *table,
                                        struct pt_mapping *mapping, unsigned level)
{
    unsigned count = pt_leaf_run(mapping, level);
    unsigned first = pt_index(mapping->iova, level);
    uint64_t leaf = pt_leaf_bits(fmt, pt, mapping, level);
    unsigned done = 0;

    for (; done < count; done++) {
        uint64_t found = 0;

        if (!atomic_compare_exchange(&table[first + done], &found,
                                     leaf + ((uint64_t)done << PT_ENTRY_LG2(level))))
            break;
    }
    pt_flush(pt, &table[first], done);
    pt_mapping_advance(mapping, done, level);
    /* A large leaf may meet a table that an earlier unmap left empty: the next step goes down into it. */
    if (done < count && fmt->is_leaf(pt_read(&table[first + done]), level))
        return ERR_EXISTS;
    return 0;
}

/* Brings a table entry to memory and notes that in it. Whoever goes through an entry without the note does
 * this itself, since the one who installed it may not have come to it yet. */
static ALWAYS_INLINE void pt_settle(const struct pt_format *fmt, const struct pt *pt, uint64_t *slot,
                                    uint64_t entry)
{
    if (!(pt->flags & PT_INCOHERENT) || entry & fmt->soft_flushed)
        return;
    platform_cache_flush(slot, sizeof *slot);
    /* Lost to hardware that sets accessed: then the next one flushes once more. */
    (void)atomic_compare_exchange(slot, &entry, entry | fmt->soft_flushed);
}

/* Links the spare table into slot (at level), filled with leaves if they belong right below. False if
 * somebody else linked one. */
static ALWAYS_INLINE bool pt_link_spare(const struct pt_format *fmt, struct pt *pt, uint64_t *slot,
                                        unsigned level, unsigned leaf_level, struct pt_mapping *mapping)
{
    uint64_t preset = pt->flags & PT_PRESET_DIRTY ? fmt->accessed : 0;
    uint64_t entry = fmt->table(virt_to_phys(mapping->spare)) | preset;
    unsigned filled =
        level - 1 == leaf_level ? pt_fill_private(fmt, pt, mapping->spare, mapping, leaf_level) : 0;
    uint64_t found = 0;

    pt_flush(pt, mapping->spare, PT_ENTRIES);
    /* A full barrier: hardware and software that see the entry see what is in the table. */
    if (!atomic_compare_exchange(slot, &found, entry)) {
        memset(mapping->spare, 0, PAGE_SIZE);
        return false;
    }
    pt_settle(fmt, pt, slot, entry);
    atomic_fetch_add(&pt->tables, 1u);
    mapping->spare = NULL;
    pt_mapping_advance(mapping, filled, leaf_level);
    return true;
}

/* Maps what lies in one table. ERR_NOMEM when a spare table is needed first. Inside a read section. */
static ALWAYS_INLINE int pt_map_step(const struct pt_format *fmt, struct pt *pt, struct pt_mapping *mapping)
{
    unsigned leaf_level = pt_largest_leaf(pt, mapping);
    unsigned level = pt->top_level;
    uint64_t *table = pt->root;
    uint64_t start = mapping->iova;

    while (mapping->iova == start) {
        uint64_t *slot = &table[pt_index(start, level)];
        uint64_t entry = pt_read(slot);

        if (fmt->is_leaf(entry, level))
            return ERR_EXISTS;
        if (fmt->is_present(entry)) {
            if (!mutant(NO_SETTLE))
                pt_settle(fmt, pt, slot, entry);
            table = pt_child(fmt, entry);
            level--;
        } else if (level <= leaf_level) {
            return pt_fill_linked(fmt, pt, table, mapping, level);
        } else if (!mapping->spare) {
            return ERR_NOMEM;
        } else {
            (void)pt_link_spare(fmt, pt, slot, level, leaf_level,
                                mapping); /* either way a table is there now */
        }
    }
    return 0;
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
        if (error == ERR_NOMEM) {
            mapping.spare = pages_alloc(0, PAGE_HYPERVISOR);
            error = mapping.spare ? 0 : ERR_NOMEM;
        }
        rcu_quiescent();
    }
    if (mapping.spare)
        pages_free(mapping.spare);
    *mapped_end = mapping.iova;
    return error;
}
