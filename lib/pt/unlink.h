/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: unlink, which takes leaves out and detaches tables, and leaves to the gather what is still
 * owed. */
#pragma once

#include "lib/mutant.h"
#include "lib/pt/split.h"
#include "lib/pt/table.h"
#include "lib/pt/walk.h"

/* Puts a detached table and all below it into the gather. Nobody changes these tables any more (callers do
 * not overlap), but for accessed and dirty bits that hardware sets until the invalidation. It may be a large
 * tree: outside read sections. Returns how many tables went. */
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
    if (level)
        rcu_quiescent();
    return count;
}

/* The way from the root down to an address: a slot of each table on it. */
struct pt_path {
    uint64_t *slots[PT_LEVELS_MAX];
    unsigned level; /* of the lowest */
};

/* Goes down along iova as long as there are tables, but into none that [iova, last] covers. A leaf that was
 * split may not be a table in memory yet: who changes what is below goes on when it is. */
static ALWAYS_INLINE void pt_path_to(const struct pt_format *fmt, const struct pt *pt, uint64_t iova,
                                     uint64_t last, struct pt_path *path)
{
    uint64_t *table = pt->root;
    unsigned top_level = pt->top_level;

#pragma GCC unroll 5
    for (unsigned level = PT_LEVELS_MAX; level--;) {
        uint64_t entry;

        if (level > top_level)
            continue;
        path->slots[level] = &table[pt_index(iova, level)];
        path->level = level;
        entry = pt_read(path->slots[level]);
        if (!pt_is_table(fmt, entry, level) || pt_covers(iova, last, level))
            return;
        if (!mutant(NO_SETTLE_ON_UNMAP))
            pt_settle(pt, path->slots[level], entry);
        table = pt_child(fmt, entry);
    }
}

/* Detaches the tables of a path that became empty, from the lowest up. A mapper that found one before cannot
 * install anything there and starts again. Then it meets the entry that pointed to it, which stays frozen
 * until no agent goes through the table any more. */
static ALWAYS_INLINE void pt_unlink_path(struct pt *pt, const struct pt_path *path, uint64_t iova,
                                         struct gather *gather)
{
    uint64_t start, count = gather->table_count;

    for (unsigned level = path->level; level < pt->top_level; level++) {
        uint64_t *table = path->slots[level] - pt_index(iova, level);
        uint64_t *above = path->slots[level + 1];

        if (!gather_freeze_table(gather, table))
            break;
        (void)atomic_exchange(above, PT_FROZEN);
        pt_flush(pt, above, 1);
        gather_add_frozen(gather, above);
        /* All of it: others emptied the other entries, and their invalidations may not have completed. What a
         * unit has cached from this table must go before the table does. */
        start = align_down(iova, PT_ENTRY_SIZE(level + 1));
        gather_add_table(gather, table, start, level);
        if (mutant(UNLINK_LEAVES_OTHERS))
            gather_add_range(gather, iova, iova + PAGE_SIZE - 1);
        else
            gather_add_range(gather, start, start + PT_ENTRY_SIZE(level + 1) - 1);
    }
    if (gather->table_count != count)
        atomic_fetch_sub(&pt->tables, gather->table_count - count);
}

/* One call of unlink as it goes along. */
struct pt_unlinking {
    uint64_t iova; /* what comes next */
    uint64_t last;
    struct gather *gather;
    struct dirty_bitmap *dirty;
    uint64_t *detached; /* a table that the last step took out, */
    uint64_t detached_iova;
    unsigned detached_level; /* and its level */
};

/* Empties an entry of level 0, given what was read there; nothing happens if that is empty. Returns how many
 * leaves that were.
 *
 * The exchange is what ends a leaf for hardware: from here on it can set no bit in this entry, so the dirty
 * bit in what was exchanged is final. If nobody wants that, a whole store does: hardware and harvests change
 * the leaf by compare-and-swap, which then fails. */
static ALWAYS_INLINE unsigned pt_take_page(const struct pt_format *fmt, const struct pt *pt, uint64_t *slot,
                                           uint64_t entry, uint64_t iova, struct dirty_bitmap *dirty)
{
    if (!pt_is_present(fmt, entry))
        return 0;
    if (!dirty)
        atomic_write_release(slot, 0ull);
    else if (atomic_exchange(slot, 0ull) & pt_dirty_mask(fmt, pt) && !mutant(UNMAP_FORGETS_DIRTY))
        dirty_bitmap_mark(dirty, iova, iova + PAGE_SIZE - 1);
    return 1;
}

/* Empties an entry above level 0 that lies wholly in the range. What is in it counts when it is exchanged:
 * somebody may split a large leaf until then, and hardware may set accessed in a table entry. */
static ALWAYS_INLINE void pt_take_entry(const struct pt_format *fmt, const struct pt *pt, uint64_t *slot,
                                        unsigned level, struct pt_unlinking *range)
{
    uint64_t entry = atomic_exchange(slot, 0ull);

    if (pt_is_table(fmt, entry, level)) {
        range->detached = pt_child(fmt, entry);
        range->detached_iova = range->iova;
        range->detached_level = level - 1;
    } else if (range->dirty && entry & pt_dirty_mask(fmt, pt) && !mutant(UNMAP_FORGETS_DIRTY)) {
        dirty_bitmap_mark(range->dirty, range->iova, range->iova + PT_ENTRY_SIZE(level) - 1);
    }
}

/* Takes out pages that lie in one table of level 0. Returns how many there were. */
static ALWAYS_INLINE unsigned pt_unlink_pages(const struct pt_format *fmt, struct pt *pt, uint64_t *slots,
                                              struct pt_unlinking *range)
{
    uint64_t pages = (range->last + 1 - range->iova) >> PAGE_LG2;
    unsigned left = PT_ENTRIES - pt_index(range->iova, 0);
    unsigned count = pages < left ? (unsigned)pages : left;
    unsigned taken = 0;

    for (unsigned i = 0; i < count; i++, range->iova += PAGE_SIZE)
        taken += pt_take_page(fmt, pt, &slots[i], pt_read(&slots[i]), range->iova, range->dirty);
    pt_flush(pt, slots, count);
    return taken;
}

/* Takes out what lies in one table above, up to the first table in it, that one included if the range covers
 * it. Returns how many entries there were. */
static ALWAYS_INLINE unsigned pt_unlink_entries(const struct pt_format *fmt, struct pt *pt, uint64_t *slots,
                                                unsigned level, struct pt_unlinking *range)
{
    unsigned left = PT_ENTRIES - pt_index(range->iova, level);
    unsigned count = 0, taken = 0;

    while (!range->detached && count < left && range->iova <= range->last) {
        uint64_t entry = pt_read(&slots[count]);

        if (pt_is_table(fmt, entry, level) && !pt_covers(range->iova, range->last, level))
            break; /* the next step goes down here */
        if (pt_is_present(fmt, entry)) {
            pt_take_entry(fmt, pt, &slots[count], level, range);
            taken++;
        }
        range->iova = pt_entry_end(range->iova, level);
        count++;
    }
    pt_flush(pt, slots, count);
    return taken;
}

/* Takes out what lies in one table; and at the end of the range the table itself if nothing is left in it: a
 * mapper beside it waits from then on until the invalidation. Inside a read section. */
static ALWAYS_INLINE void pt_unlink_step(const struct pt_format *fmt, struct pt *pt,
                                         struct pt_unlinking *range)
{
    struct pt_path path;
    uint64_t start = range->iova, last = range->last;
    uint64_t *slots;
    unsigned taken, left;

    pt_path_to(fmt, pt, start, last, &path);
    slots = path.slots[path.level];
    taken = path.level ? pt_unlink_entries(fmt, pt, slots, path.level, range)
                       : pt_unlink_pages(fmt, pt, slots, range);
    if (!taken)
        return;
    gather_add_range(range->gather, start, range->iova <= last ? range->iova - 1 : last);
    left = pt_table_release(slots, taken);
    if (range->iova > last && left <= range->gather->frozen_count)
        pt_unlink_path(pt, &path, start, range->gather);
}

/* Detaches the tables on the way to iova that are empty. */
static inline void pt_unlink_empty_at(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                                      struct gather *gather)
{
    struct pt_path path;

    rcu_read_lock();
    pt_path_to(fmt, pt, iova, iova, &path);
    pt_unlink_path(pt, &path, iova, gather);
    rcu_read_unlock();
}

/* Tables in the middle of a range went with it. */
static inline void pt_unlink_empty_edges(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                                         uint64_t last, struct gather *gather)
{
    pt_unlink_empty_at(fmt, pt, iova, gather);
    pt_unlink_empty_at(fmt, pt, align_down(last, PAGE_SIZE), gather);
}

static ALWAYS_INLINE int pt_unlink(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                   struct gather *gather, struct dirty_bitmap *dirty)
{
    struct pt_unlinking range = {.iova = iova, .last = last, .gather = gather, .dirty = dirty};
    int error = pt_edges_fit(fmt, pt, iova, last) ? 0 : pt_cut_edges(fmt, pt, iova, last, gather);
    unsigned steps = 0;

    for (; !error && range.iova <= last; steps++) {
        range.detached = NULL;
        rcu_read_lock();
        pt_unlink_step(fmt, pt, &range);
        rcu_read_unlock();
        if (range.detached)
            atomic_fetch_sub(&pt->tables, pt_detach(fmt, range.detached, range.detached_iova,
                                                    range.detached_level, gather));
        if (range.iova <= last)
            rcu_quiescent();
    }
    if (steps > 1)
        pt_unlink_empty_edges(fmt, pt, iova, last, gather);
    pt_widen_for_splits(pt, gather);
    return error;
}

static inline void pt_unlink_empty(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                   struct gather *gather)
{
    gather->unlink_again = false;
    pt_unlink_empty_edges(fmt, pt, iova, last, gather);
}
