/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: harvest. Nothing that it changes is flushed: a tree whose hardware keeps dirty bits is one that
 * hardware snoops. */
#pragma once

#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/pt/split.h"
#include "lib/pt/walk.h"

#define PT_LINE_ENTRIES (CACHE_LINE / sizeof(uint64_t))

/* A read section ends after so many tables, so that a harvest holds up no grace period. */
#define PT_HARVEST_TABLES 64

/* One harvest as it goes along. */
struct pt_harvest {
    uint64_t iova; /* the whole range */
    uint64_t last;
    uint64_t mask; /* what says dirty, and what is cleared */
    bool keep;
    struct dirty_bitmap *bitmap;
    uint64_t word_index; /* bits of one word of the bitmap that are not in it yet */
    uint64_t word;
    struct gather *gather;
    struct harvest_stats stats;
};

static ALWAYS_INLINE void pt_harvest_write_word(struct pt_harvest *harvest)
{
    if (harvest->word)
        atomic_fetch_or(&harvest->bitmap->words[harvest->word_index], harvest->word);
    harvest->word = 0;
}

/* Pages of one leaf are dirty. The range of a harvest lies within its bitmap. */
static ALWAYS_INLINE void pt_harvest_mark(struct pt_harvest *harvest, uint64_t iova, unsigned level)
{
    uint64_t bit = (iova - harvest->bitmap->iova) >> PAGE_LG2;

    harvest->stats.dirty++;
    if (level) {
        uint64_t from = iova > harvest->iova ? iova : harvest->iova;
        uint64_t to = iova + PT_ENTRY_SIZE(level) - 1;

        dirty_bitmap_mark(harvest->bitmap, from, to < harvest->last ? to : harvest->last);
        return;
    }
    if (bit / 64 != harvest->word_index) {
        pt_harvest_write_word(harvest);
        harvest->word_index = bit / 64;
    }
    harvest->word |= 1ull << bit % 64;
}

/* A plain store could bring back a leaf that was unmapped meanwhile. */
static ALWAYS_INLINE bool pt_replace(uint64_t *slot, uint64_t *entry, uint64_t cleared)
{
    if (mutant(PLAIN_CLEAR)) {
        atomic_write(slot, cleared);
        return true;
    }
    return atomic_compare_exchange(slot, entry, cleared);
}

/* Reads and clears one leaf. What is reported is what the compare-and-swap took: when it loses to an unmap,
 * the dirty bit is the unmap's to report. False if there is a table: a split handed the bit on to what is
 * below. */
static ALWAYS_INLINE bool pt_harvest_leaf(const struct pt_format *fmt, struct pt_harvest *harvest,
                                          uint64_t *slot, uint64_t iova, unsigned level)
{
    uint64_t entry = pt_read(slot);
    uint64_t last = iova + PT_ENTRY_SIZE(level) - 1;
    /* Clearing a leaf that reaches beyond the range would lose what is dirty there. */
    bool clear = !harvest->keep && iova >= harvest->iova && last <= harvest->last;

    do {
        if (!pt_is_leaf(fmt, entry, level) || !(entry & harvest->mask))
            return !pt_is_table(fmt, entry, level);
    } while (clear && !pt_replace(slot, &entry, entry & ~harvest->mask));
    if (clear)
        gather_add_range(harvest->gather, iova, last);
    pt_harvest_mark(harvest, iova, level);
    return true;
}

static ALWAYS_INLINE bool pt_line_is_clean(const uint64_t *line, uint64_t mask)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < PT_LINE_ENTRIES; i++)
        any |= atomic_read(&line[i]);
    return !(any & mask);
}

/* Entries [first, end) of a table at level 0 that translates from iova on. */
static ALWAYS_INLINE void pt_harvest_pages(const struct pt_format *fmt, struct pt_harvest *harvest,
                                           uint64_t *table, uint64_t iova, unsigned first, unsigned end)
{
    unsigned i = first;

    while (i < end) {
        if (i % PT_LINE_ENTRIES == 0 && end - i >= PT_LINE_ENTRIES &&
            pt_line_is_clean(&table[i], harvest->mask)) {
            i += PT_LINE_ENTRIES;
            continue;
        }
        (void)pt_harvest_leaf(fmt, harvest, &table[i], iova + i * PAGE_SIZE, 0);
        i += mutant(HARVEST_SKIPS_ENTRIES) ? 2 : 1;
    }
    harvest->stats.entries += end - first;
}

/* Harvests what lies in one table from iova on. Returns where to go on. Inside a read section. */
static ALWAYS_INLINE uint64_t pt_harvest_step(const struct pt_format *fmt, const struct pt *pt,
                                              struct pt_harvest *harvest, uint64_t iova)
{
    unsigned level;
    uint64_t entry;
    uint64_t *slot = pt_descend(fmt, pt, iova, &level, &entry);
    uint64_t *table = slot - pt_index(iova, level);
    uint64_t start = align_down(iova, PT_ENTRY_SIZE(level + 1));
    uint64_t table_last = start + PT_ENTRY_SIZE(level + 1) - 1;
    unsigned first = pt_index(iova, level);
    unsigned end = harvest->last < table_last ? pt_index(harvest->last, level) + 1 : PT_ENTRIES;

    harvest->stats.tables++;
    if (level == 0) {
        pt_harvest_pages(fmt, harvest, table, start, first, end);
        return table_last + 1;
    }
    for (unsigned i = first; i < end; i++) {
        uint64_t at = start + i * PT_ENTRY_SIZE(level);

        if (!pt_harvest_leaf(fmt, harvest, &table[i], at, level))
            return at > iova ? at : iova; /* the next step goes down here */
        harvest->stats.entries++;
    }
    return table_last + 1;
}

static ALWAYS_INLINE void pt_harvest(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                     struct dirty_bitmap *bitmap, unsigned flags, struct gather *gather,
                                     struct harvest_stats *stats)
{
    struct pt_harvest harvest = {
        .iova = iova,
        .last = last,
        .mask = pt_dirty_mask(fmt, pt),
        .keep = flags & HARVEST_KEEP,
        .bitmap = bitmap,
        .gather = gather,
    };

    while (iova <= last) {
        rcu_read_lock();
        for (unsigned tables = 0; tables < PT_HARVEST_TABLES && iova <= last; tables++)
            iova = pt_harvest_step(fmt, pt, &harvest, iova);
        rcu_read_unlock();
        rcu_quiescent();
    }
    pt_harvest_write_word(&harvest);
    pt_widen_for_splits(pt, gather);
    if (stats) {
        stats->tables += harvest.stats.tables;
        stats->entries += harvest.stats.entries;
        stats->dirty += harvest.stats.dirty;
    }
}

static ALWAYS_INLINE void pt_harvest_detached(const struct pt_format *fmt, const struct pt *pt,
                                              const struct gather *gather, struct dirty_bitmap *bitmap)
{
    uint64_t mask = pt_dirty_mask(fmt, pt);

    list_for_each (node, &gather->tables) {
        const struct page *page = list_entry(node, struct page, link);
        unsigned level = (unsigned)page->table.level;
        const uint64_t *table = page_address(page);

        for (unsigned i = 0; i < PT_ENTRIES; i++) {
            uint64_t entry = pt_read(&table[i]);
            uint64_t iova = page->table.iova + i * PT_ENTRY_SIZE(level);

            if (pt_is_leaf(fmt, entry, level) && entry & mask)
                dirty_bitmap_mark(bitmap, iova, iova + PT_ENTRY_SIZE(level) - 1);
        }
    }
}

/* Goes down from the root for each leaf: only when hardware has failed. */
static ALWAYS_INLINE void pt_mark_dirty(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                                        uint64_t last)
{
    while (iova <= last) {
        uint64_t *slot, entry;
        unsigned level;

        rcu_read_lock();
        slot = pt_descend(fmt, pt, iova, &level, &entry);
        while (pt_is_leaf(fmt, entry, level) && !atomic_compare_exchange(slot, &entry, entry | fmt->dirty))
            ;
        rcu_read_unlock();
        rcu_quiescent();
        /* If it was split meanwhile the leaves below are still to be marked. */
        if (!pt_is_table(fmt, entry, level))
            iova = pt_entry_end(iova, level);
    }
}
