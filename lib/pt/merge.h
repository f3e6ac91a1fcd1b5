/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: merge, which makes a large leaf out of a table of small ones. */
#pragma once

#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/pt/prune.h"
#include "lib/pt/unlink.h"
#include "lib/pt/walk.h"

/* The leaf at level that says what all entries of its table below say, or 0 if they do not agree. Dirty if
 * any is: a device may write through any of them. Hardware sets bits meanwhile, until the invalidation; what
 * comes after an entry was read here is found by pt_hand_back(). */
static ALWAYS_INLINE uint64_t pt_merged(const struct pt_format *fmt, const uint64_t *table, unsigned level)
{
    uint64_t touched = fmt->accessed | fmt->dirty;
    uint64_t first = pt_read(&table[0]);
    uint64_t leaf = (first & ~touched) | fmt->large, seen = 0;

    if (!pt_is_leaf(fmt, first, level - 1) || !is_aligned(first & fmt->address, PT_ENTRY_SIZE(level)))
        return 0;
    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        uint64_t entry = pt_read(&table[i]);

        if ((entry & ~touched) != (first & ~touched) + i * PT_ENTRY_SIZE(level - 1))
            return 0;
        seen |= entry & touched;
    }
    return leaf | seen;
}

/* The table that slot points to, at level, if its leaves allow it. Inside a read section. */
static ALWAYS_INLINE void pt_merge_table(const struct pt_format *fmt, struct pt *pt, uint64_t *slot,
                                         uint64_t *table, uint64_t iova, unsigned level,
                                         struct gather *gather)
{
    uint64_t leaf = pt->leaf_levels & 1u << level ? pt_merged(fmt, table, level) : 0;

    if (!leaf)
        return;
    /* Hardware may set accessed in the table entry at any time. */
    (void)atomic_exchange(slot, leaf);
    pt_flush(pt, slot, 1);
    gather_add_table(gather, table, iova, level - 1);
    gather_add_range(gather, iova, iova + PT_ENTRY_SIZE(level) - 1);
    atomic_fetch_sub(&pt->tables, 1u);
}

/* What lies in one table at level, from iova on. */
static ALWAYS_INLINE uint64_t pt_merge_step(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                                            uint64_t last, unsigned at_level, struct gather *gather)
{
    unsigned level = pt->top_level;
    uint64_t *slot = &pt->root[pt_index(iova, level)];
    uint64_t entry = pt_read(slot);

    while (level > at_level && pt_is_table(fmt, entry, level)) {
        level--;
        slot = pt_child(fmt, entry) + pt_index(iova, level);
        entry = pt_read(slot);
    }
    if (level == at_level && pt_covers(iova, last, level) && pt_is_table(fmt, entry, level))
        pt_merge_table(fmt, pt, slot, pt_child(fmt, entry), iova, level, gather);
    return pt_entry_end(iova, level);
}

/* From below upwards, since what is merged may merge again. */
static ALWAYS_INLINE void pt_merge(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                   struct gather *gather)
{
    for (unsigned level = 1; level <= 2; level++)
        for (uint64_t at = iova; at <= last;) {
            rcu_read_lock();
            at = pt_merge_step(fmt, pt, at, last, level, gather);
            rcu_read_unlock();
            rcu_quiescent();
        }
}

static ALWAYS_INLINE bool pt_any_dirty(const struct pt_format *fmt, const struct pt *pt,
                                       const uint64_t *table)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < PT_ENTRIES; i++)
        seen |= pt_read(&table[i]);
    return seen & pt_dirty_mask(fmt, pt);
}

/* The leaf that translates iova becomes dirty, and whoever has gone by above it finds it the next time. If it
 * is dirty already that need not be so: a walk that made it dirty may have to set A above it yet. */
static ALWAYS_INLINE void pt_make_dirty(const struct pt_format *fmt, struct pt *pt, uint64_t iova)
{
    uint64_t entry, *slot;
    unsigned level;

    rcu_read_lock();
    slot = pt_descend(fmt, pt, iova, &level, &entry);
    while (pt_is_leaf(fmt, entry, level) && !(entry & fmt->dirty))
        if (atomic_compare_exchange(slot, &entry, entry | fmt->dirty))
            entry |= fmt->dirty;
    if (pt->flags & PT_PRUNES && !mutant(MERGE_FORGETS_WALKED))
        pt_mark_way(fmt, pt, iova, level);
    rcu_read_unlock();
}

/* Agents went on by the old tables until the invalidation, and what they wrote is dirty there alone. Nobody
 * goes by these any more, but by the leaf that stands in their place: it says so from now on, and the next
 * harvest reports it. */
static ALWAYS_INLINE void pt_hand_back(const struct pt_format *fmt, struct pt *pt,
                                       const struct gather *gather, bool all)
{
    if (mutant(NOT_HANDED_BACK))
        return;
    list_for_each (node, &gather->tables) {
        const struct page *page = list_entry(node, struct page, link);

        if (all || pt_any_dirty(fmt, pt, page_address(page)))
            pt_make_dirty(fmt, pt, page->table.iova);
        rcu_quiescent();
    }
}
