/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: split, which makes a table of smaller leaves out of a large one. */
#pragma once

#include "lib/error.h"
#include "lib/mutant.h"
#include "lib/pt/map.h"
#include "lib/pt/spares.h"
#include "lib/pt/table.h"
#include "lib/pt/walk.h"

/* The children say all that the leaf says, accessed and dirty included: which of them a device wrote is not
 * known. */
static ALWAYS_INLINE void pt_fill_children(const struct pt_format *fmt, uint64_t *table, uint64_t leaf,
                                           unsigned level)
{
    uint64_t child = level == 1 ? leaf & ~fmt->large : leaf;

    if (mutant(SPLIT_FORGETS_DIRTY))
        child &= ~fmt->dirty;

    for (unsigned i = 0; i < PT_ENTRIES; i++)
        table[i] = child + i * PT_ENTRY_SIZE(level - 1);
}

/* Puts a table in the place of the leaf that was found in slot, at level. The compare-and-swap takes just the
 * bits that the children got: if hardware or a harvest changed them meanwhile it fails, and *leaf is what is
 * there now. The children may be dirty, so the entry that links them says from the start that they are to be
 * looked at (prune.h). A unit may use the large translation until it is invalidated, as a whole; until then
 * the tree has an open split. Inside a read section. */
static ALWAYS_INLINE bool pt_split_leaf(const struct pt_format *fmt, struct pt *pt, uint64_t *slot,
                                        uint64_t *leaf, uint64_t iova, unsigned level, uint64_t *table,
                                        struct gather *gather)
{
    uint64_t preset = pt->flags & PT_PRESET_DIRTY ? fmt->accessed : 0;
    uint64_t walked = mutant(SPLIT_FORGETS_WALKED) ? 0 : PT_SOFT_WALKED;
    uint64_t entry = fmt->table(virt_to_phys(table)) | preset | walked;
    uint64_t start = align_down(iova, PT_ENTRY_SIZE(level));

    pt_fill_children(fmt, table, *leaf, level);
    pt_table_begin(table, PT_ENTRIES);
    pt_flush(pt, table, PT_ENTRIES);
    /* Before the table can be found: see pt_widen_for_splits(). */
    atomic_fetch_add(&pt->open_splits, 1u);
    if (!atomic_compare_exchange(slot, leaf, entry)) {
        atomic_fetch_sub(&pt->open_splits, 1u);
        return false;
    }
    gather_add_split(gather, &pt->open_splits);
    pt_settle(pt, slot, entry);
    atomic_fetch_add(&pt->tables, 1u);
    gather_add_range(gather, start, start + PT_ENTRY_SIZE(level) - 1);
    return true;
}

/* Somebody who finds a table where a leaf was split a moment ago may change small leaves in it, which no unit
 * has: it has the large translation, until the one who split it has invalidated that. So as long as any split
 * is open the largest leaf around goes too (11.4.6.2: a large page goes by an address mask of its own size).
 * After all changes, whose locked instructions order them before the read; its partner is the raise before
 * the compare-and-swap in pt_split_leaf(): who finds the table sees the count, or a count that has fallen,
 * and then no unit has the large translation any more. */
static inline void pt_widen_for_splits(const struct pt *pt, struct gather *gather)
{
    const uint64_t largest = PT_ENTRY_SIZE(PT_LEAF_LEVEL_MAX);

    if (atomic_read(&pt->open_splits) == gather->splits || gather_empty(gather) || mutant(SPLIT_IGNORED))
        return;
    gather_add_range(gather, align_down(gather->iova, largest),
                     align_down(gather->last, largest) + largest - 1);
}

/* The level down to which the leaf at iova has to be split so that leaves begin at iova: its own if it begins
 * there. */
static ALWAYS_INLINE unsigned pt_cut_level(uint64_t iova, unsigned level)
{
    while (level && !is_aligned(iova, PT_ENTRY_SIZE(level)))
        level--;
    return level;
}

/* How many tables that takes. */
static ALWAYS_INLINE unsigned pt_cut_tables(const struct pt_format *fmt, const struct pt *pt, uint64_t iova)
{
    unsigned level, tables = 0;
    uint64_t entry;

    if (iova >> pt->address_lg2)
        return 0; /* the end of all that can be mapped */
    rcu_read_lock();
    (void)pt_descend(fmt, pt, iova, &level, &entry);
    if (pt_is_leaf(fmt, entry, level))
        tables = level - pt_cut_level(iova, level);
    rcu_read_unlock();
    return tables;
}

/* Splits what reaches across iova, level by level. Another caller may own the other side and do the same: one
 * of them wins, and the other finds a table. */
static ALWAYS_INLINE void pt_cut(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                                 struct pt_spares *spares, struct gather *gather)
{
    unsigned level;
    uint64_t *slot, entry;

    rcu_read_lock();
    for (;;) {
        if (iova >> pt->address_lg2)
            break;
        slot = pt_descend(fmt, pt, iova, &level, &entry);
        if (!pt_is_leaf(fmt, entry, level) || pt_cut_level(iova, level) == level)
            break;
        if (pt_split_leaf(fmt, pt, slot, &entry, iova, level, spares->tables[spares->count - 1], gather))
            spares->count--;
    }
    rcu_read_unlock();
}

/* No leaf can reach across an edge of the range: it lies along the largest ones; or in one table, along its
 * entries. */
static ALWAYS_INLINE bool pt_edges_fit(const struct pt_format *fmt, const struct pt *pt, uint64_t iova,
                                       uint64_t last)
{
    unsigned level;
    uint64_t entry;

    if (is_aligned(iova | (last + 1), PT_ENTRY_SIZE(PT_LEAF_LEVEL_MAX)))
        return true;
    rcu_read_lock();
    (void)pt_descend(fmt, pt, iova, &level, &entry);
    rcu_read_unlock();
    return (iova ^ last) >> PT_ENTRY_LG2(level + 1) == 0 &&
           is_aligned(iova | (last + 1), PT_ENTRY_SIZE(level));
}

/* Splits what reaches across the edges of a range. ERR_NOMEM: nothing changed. */
static inline int pt_cut_edges(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                               struct gather *gather)
{
    struct pt_spares spares = {.count = 0};
    int error = pt_spares_fill(&spares, pt_cut_tables(fmt, pt, iova) + pt_cut_tables(fmt, pt, last + 1));

    if (!error) {
        pt_cut(fmt, pt, iova, &spares, gather);
        pt_cut(fmt, pt, last + 1, &spares, gather);
    }
    pt_spares_free(&spares);
    return error;
}

/* Splits the leaf at *iova, if it is above to_level, by one level; else goes on to what may be. ERR_NOMEM
 * when a spare table is needed first. Inside a read section. */
static ALWAYS_INLINE int pt_split_step(const struct pt_format *fmt, struct pt *pt, uint64_t *iova,
                                       unsigned to_level, struct pt_spares *spares, struct gather *gather)
{
    unsigned level;
    uint64_t entry;
    uint64_t *slot = pt_descend(fmt, pt, *iova, &level, &entry);

    if (level <= to_level)
        *iova = pt_entry_end(*iova, level + 1); /* nor is anything else in this table */
    else if (!pt_is_leaf(fmt, entry, level))
        *iova = pt_entry_end(*iova, level);
    else if (!spares->count)
        return ERR_NOMEM;
    else if (pt_split_leaf(fmt, pt, slot, &entry, *iova, level, spares->tables[0], gather))
        spares->count = 0;
    return 0;
}

static ALWAYS_INLINE int pt_split(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                  unsigned level, struct gather *gather)
{
    struct pt_spares spares = {.count = 0};
    int error = 0;

    while (!error && iova <= last) {
        rcu_read_lock();
        error = pt_split_step(fmt, pt, &iova, level, &spares, gather);
        rcu_read_unlock();
        if (error == ERR_NOMEM)
            error = pt_spares_fill(&spares, 1);
        rcu_quiescent();
    }
    pt_spares_free(&spares);
    return error;
}
