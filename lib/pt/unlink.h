/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: unlink, which takes leaves out and detaches tables, and leaves to the gather what is still
 * owed. */
#pragma once

#include "lib/mutant.h"
#include "lib/pt/split.h"
#include "lib/pt/table.h"
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

/* The way from the root down to an address: a slot of each table on it. */
struct pt_path {
    uint64_t *slots[PT_LEVELS_MAX];
    unsigned level; /* of the lowest */
};

/* Goes down along iova as long as there are tables, but into none that [iova, last] covers. */
static ALWAYS_INLINE void pt_path_to(const struct pt_format *fmt, const struct pt *pt, uint64_t iova,
                                     uint64_t last, struct pt_path *path)
{
    uint64_t *table = pt->root;
    uint64_t entry;

    for (unsigned level = pt->top_level;; level--) {
        path->slots[level] = &table[pt_index(iova, level)];
        path->level = level;
        entry = pt_read(path->slots[level]);
        if (!pt_is_table(fmt, entry, level) || pt_covers(iova, last, level))
            return;
        table = pt_child(fmt, entry);
    }
}

/* Detaches the tables of a path that became empty, from the lowest up. A mapper that found one before cannot
 * install anything there and starts again. Then it meets the entry that pointed to it, which stays frozen
 * until no agent goes through the table any more. */
static ALWAYS_INLINE void pt_prune_path(struct pt *pt, const struct pt_path *path, uint64_t iova,
                                        struct gather *gather)
{
    for (unsigned level = path->level; level < pt->top_level; level++) {
        uint64_t *table = path->slots[level] - pt_index(iova, level);
        uint64_t *above = path->slots[level + 1];

        if (!gather_freeze_table(gather, table))
            return;
        (void)atomic_exchange(above, PT_FROZEN);
        pt_flush(pt, above, 1);
        gather_add_frozen(gather, above);
        gather_add_table(gather, table, align_down(iova, PT_ENTRY_SIZE(level + 1)), level);
        /* A unit that invalidates a page drops every table entry on its path. */
        gather_add_range(gather, iova, iova + PAGE_SIZE - 1);
        atomic_fetch_sub(&pt->tables, 1u);
    }
}

/* Empties one entry, which lies wholly in the range. The exchange is what ends it for hardware: from here on
 * it can set no bit in this entry, so a leaf's dirty bit in what was exchanged is final. */
static ALWAYS_INLINE void pt_take(const struct pt_format *fmt, struct pt *pt, uint64_t *slot, uint64_t iova,
                                  unsigned level, struct gather *gather, struct dirty_bitmap *dirty)
{
    uint64_t entry = atomic_exchange(slot, 0ull);
    uint64_t last = iova + PT_ENTRY_SIZE(level) - 1;

    if (!pt_is_leaf(fmt, entry, level))
        atomic_fetch_sub(&pt->tables, pt_detach(fmt, pt_child(fmt, entry), iova, level - 1, gather));
    else if (dirty && entry & pt_dirty_mask(fmt, pt) && !mutant(UNMAP_FORGETS_DIRTY))
        dirty_bitmap_mark(dirty, iova, last);
    gather_add_range(gather, iova, last);
}

/* Takes out what lies in one table from iova on, and the table itself if nothing is left in it. Returns where
 * to go on. Inside a read section. */
static ALWAYS_INLINE uint64_t pt_unlink_step(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                                             uint64_t last, struct gather *gather, struct dirty_bitmap *dirty)
{
    struct pt_path path;
    uint64_t start = iova, entry;
    unsigned level, left, count = 0, taken = 0;

    pt_path_to(fmt, pt, iova, last, &path);
    level = path.level;
    left = PT_ENTRIES - pt_index(iova, level);
    do {
        entry = pt_read(&path.slots[level][count]);
        if (pt_is_table(fmt, entry, level) && !pt_covers(iova, last, level))
            break; /* the next step goes down here */
        if (pt_is_present(fmt, entry)) {
            pt_take(fmt, pt, &path.slots[level][count], iova, level, gather, dirty);
            taken++;
        }
        iova = pt_entry_end(iova, level);
        count++;
        /* What was detached may be a large tree: the next step has a section of its own. */
    } while (iova <= last && count < left && !pt_is_table(fmt, entry, level));
    pt_flush(pt, path.slots[level], count);
    if (taken) {
        (void)pt_table_release(path.slots[level], taken);
        pt_prune_path(pt, &path, start, gather);
    }
    return iova;
}

static ALWAYS_INLINE int pt_unlink(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                   struct gather *gather, struct dirty_bitmap *dirty)
{
    struct pt_spares spares = {.count = 0};
    int error = pt_spares_fill(&spares, pt_cut_tables(fmt, pt, iova) + pt_cut_tables(fmt, pt, last + 1));

    if (!error) {
        pt_cut(fmt, pt, iova, &spares, gather);
        pt_cut(fmt, pt, last + 1, &spares, gather);
    }
    pt_spares_free(&spares);
    while (!error && iova <= last) {
        rcu_read_lock();
        iova = pt_unlink_step(fmt, pt, iova, last, gather, dirty);
        rcu_read_unlock();
        rcu_quiescent();
    }
    return error;
}

static inline void pt_prune_at(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                               struct gather *gather)
{
    struct pt_path path;

    rcu_read_lock();
    pt_path_to(fmt, pt, iova, iova, &path);
    pt_prune_path(pt, &path, iova, gather);
    rcu_read_unlock();
    rcu_quiescent();
}

/* Tables in the middle of a range went with it. */
static inline void pt_prune(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                            struct gather *gather)
{
    gather->prune_again = false;
    pt_prune_at(fmt, pt, iova, gather);
    pt_prune_at(fmt, pt, align_down(last, PAGE_SIZE), gather);
}
