/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: unlink, which takes leaves out and detaches tables, and leaves to the gather what is still
 * owed. */
#pragma once

#include "lib/error.h"
#include "lib/pt/walk.h"

/* Puts a detached table and all below it into the gather. Nobody changes these tables any more (callers do
 * not overlap), but for accessed and dirty bits that hardware sets until the invalidation. Returns how many
 * tables went. */
static inline uint64_t pt_detach(const struct pt_format *fmt, uint64_t *table, uint64_t iova, unsigned level,
                                 struct gather *gather)
{
    uint64_t count = 1;

    gather_add_table(gather, table, iova, level);
    for (unsigned i = 0; level && i < PT_ENTRIES; i++) {
        uint64_t entry = pt_read(&table[i]);

        if (pt_is_table(fmt, entry, level))
            count += pt_detach(fmt, pt_child(fmt, entry), iova + i * PT_ENTRY_SIZE(level), level - 1, gather);
    }
    return count;
}

/* Empties one entry, which lies wholly in the range. The exchange is what ends it for hardware: from here on
 * it can set no bit in this entry, so a leaf's dirty bit in what was exchanged is final. */
static ALWAYS_INLINE void pt_take(const struct pt_format *fmt, struct pt *pt, uint64_t *slot, uint64_t iova,
                                  unsigned level, struct gather *gather, struct dirty_bitmap *dirty)
{
    uint64_t entry = atomic_exchange(slot, 0ull);
    uint64_t last = iova + PT_ENTRY_SIZE(level) - 1;

    if (!fmt->is_leaf(entry, level))
        atomic_fetch_sub(&pt->tables, pt_detach(fmt, pt_child(fmt, entry), iova, level - 1, gather));
    else if (dirty && entry & pt_dirty_mask(fmt, pt))
        dirty_bitmap_mark(dirty, iova, last);
    gather_add_range(gather, iova, last);
}

/* Takes out what lies in one table from iova on. Returns where to go on. Inside a read section. */
static ALWAYS_INLINE uint64_t pt_unlink_step(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                                             uint64_t last, struct gather *gather, struct dirty_bitmap *dirty)
{
    uint64_t *table = pt->root;
    unsigned level = pt->top_level;
    unsigned first, count = 0;
    uint64_t entry = pt_read(&table[pt_index(iova, level)]);

    while (pt_is_table(fmt, entry, level) && !pt_covers(iova, last, level)) {
        table = pt_child(fmt, entry);
        level--;
        entry = pt_read(&table[pt_index(iova, level)]);
    }
    first = pt_index(iova, level);
    do {
        entry = pt_read(&table[first + count]);
        if (pt_is_table(fmt, entry, level) && !pt_covers(iova, last, level))
            break; /* the next step goes down here */
        if (fmt->is_present(entry))
            pt_take(fmt, pt, &table[first + count], iova, level, gather, dirty);
        iova = pt_entry_end(iova, level);
        count++;
        /* What was detached may be a large tree: the next step has a section of its own. */
    } while (iova <= last && first + count < PT_ENTRIES && !pt_is_table(fmt, entry, level));
    pt_flush(pt, &table[first], count);
    return iova;
}

/* A large leaf translates iova and begins before it. */
static ALWAYS_INLINE bool pt_cuts_leaf(const struct pt_format *fmt, const struct pt *pt, uint64_t iova)
{
    unsigned level;
    const uint64_t *table;
    bool cuts;

    rcu_read_lock();
    table = pt_descend(fmt, pt, iova, &level);
    cuts = fmt->is_leaf(pt_read(&table[pt_index(iova, level)]), level) &&
           !is_aligned(iova, PT_ENTRY_SIZE(level));
    rcu_read_unlock();
    return cuts;
}

static ALWAYS_INLINE int pt_unlink(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                   struct gather *gather, struct dirty_bitmap *dirty)
{
    if (pt_cuts_leaf(fmt, pt, iova) ||
        (last + 1 < 1ull << pt->address_lg2 && pt_cuts_leaf(fmt, pt, last + 1)))
        return ERR_SPLIT;
    while (iova <= last) {
        rcu_read_lock();
        iova = pt_unlink_step(fmt, pt, iova, last, gather, dirty);
        rcu_read_unlock();
        rcu_quiescent();
    }
    return 0;
}
