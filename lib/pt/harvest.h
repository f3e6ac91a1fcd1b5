/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: harvest. Nothing that it changes is flushed: a tree whose hardware keeps dirty bits is one that
 * hardware snoops. A pass looks at each table entry once, and at what is below only after that (prune.h). */
#pragma once

#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/pt/line.h"
#include "lib/pt/prune.h"
#include "lib/pt/scan.h"
#include "lib/pt/split.h"
#include "lib/pt/walk.h"

/* A read section ends after so many tables, so that a harvest holds up no grace period. */
#define PT_HARVEST_TABLES 64u

/* The lines of a table of level 1 in which the first share of an audit lies, one in 64 entries; a share has
 * the number of its entry, so that of its line is that without the lowest three bits. */
#define HARVEST_AUDIT_LINES 0x0101010101010101ull

/* One harvest as it goes along. */
struct pt_harvest {
    uint64_t iova; /* the whole range */
    uint64_t last;
    uint64_t mask;   /* what says dirty, and what is cleared */
    unsigned flags;  /* enum harvest_flags, and a share */
    bool prunes;     /* the tree can be pruned */
    uint64_t at;     /* the way down to here has been aged, */
    unsigned at_top; /* from the root to this level */
    unsigned budget; /* tables that this read section may still look at */
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
    /* Clearing a leaf that reaches beyond the range loses what is dirty there. */
    bool clear = !(harvest->flags & HARVEST_KEEP) &&
                 (harvest->flags & HARVEST_WHOLE_LEAVES || (iova >= harvest->iova && last <= harvest->last));

    do {
        if (!pt_is_leaf(fmt, entry, level) || !(entry & harvest->mask))
            return !pt_is_table(fmt, entry, level);
    } while (clear && !pt_replace(slot, &entry, entry & ~harvest->mask));
    if (clear)
        gather_add_range(harvest->gather, iova, last);
    pt_harvest_mark(harvest, iova, level);
    return true;
}

/* Entries [first, end) of a table at level 0 that translates from iova on. */
static ALWAYS_INLINE void pt_harvest_entries(const struct pt_format *fmt, struct pt_harvest *harvest,
                                             uint64_t *table, uint64_t iova, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i += mutant(HARVEST_SKIPS_ENTRIES) ? 2 : 1)
        (void)pt_harvest_leaf(fmt, harvest, &table[i], iova + i * PAGE_SIZE, 0);
}

/* Eight pages from iova on are dirty where a bit is set. The bitmap may begin at any page. */
static ALWAYS_INLINE void pt_harvest_mark_line(struct pt_harvest *harvest, uint64_t iova, uint64_t dirty)
{
    uint64_t bit = (iova - harvest->bitmap->iova) >> PAGE_LG2;
    unsigned at = bit % 64;

    if (bit / 64 != harvest->word_index) {
        pt_harvest_write_word(harvest);
        harvest->word_index = bit / 64;
    }
    harvest->word |= dirty << at;
    if (UNLIKELY(at > 64 - PT_LINE_ENTRIES)) {
        pt_harvest_write_word(harvest);
        harvest->word_index++;
        harvest->word = dirty >> (64 - at);
    }
}

/* A line that lies wholly in the range. */
static ALWAYS_INLINE void pt_harvest_line(struct pt_harvest *harvest, uint64_t *line, uint64_t iova)
{
    unsigned dirty = pt_line_dirty(line, harvest->mask);

    if (!dirty)
        return;
    harvest->stats.dirty += pt_line_count(dirty);
    pt_harvest_mark_line(harvest, iova, dirty);
    if (harvest->flags & HARVEST_KEEP)
        return;
    gather_add_range(harvest->gather, iova + (unsigned)__builtin_ctz(dirty) * PAGE_SIZE,
                     iova + (32 - (unsigned)__builtin_clz(dirty)) * PAGE_SIZE - 1);
    pt_line_clear(line, dirty, harvest->mask);
}

/* The same, without those in clean lines. */
static ALWAYS_INLINE void pt_harvest_pages(const struct pt_format *fmt, struct pt_harvest *harvest,
                                           uint64_t *table, uint64_t iova, unsigned first, unsigned end)
{
    harvest->stats.tables++;
    harvest->stats.entries += end - first;
    if (end - first < PT_ENTRIES) {
        pt_harvest_entries(fmt, harvest, table, iova, first, end);
        return;
    }
    for (uint64_t lines = pt_scan_lines(table, harvest->mask); lines; lines &= lines - 1) {
        unsigned line = (unsigned)__builtin_ctzll(lines) * PT_LINE_ENTRIES;

        pt_harvest_line(harvest, &table[line], iova + line * PAGE_SIZE);
    }
}

enum pt_verdict {
    PT_GO_DOWN,
    PT_LEAVE_OUT,
    PT_NO_TABLE, /* any more */
};

/* Ages a table entry, which translates from start on, and says what is to be done about its table. *entry is
 * what was read, or when there is no table what is there now. */
static ALWAYS_INLINE enum pt_verdict pt_harvest_age(const struct pt_format *fmt, struct pt_harvest *harvest,
                                                    uint64_t *slot, uint64_t *entry, uint64_t start,
                                                    unsigned level)
{
    uint64_t last = start + PT_ENTRY_SIZE(level) - 1;

    if (!harvest->prunes)
        return PT_GO_DOWN;
    if (start >= harvest->iova && last <= harvest->last && !(harvest->flags & HARVEST_KEEP)) {
        if (!pt_age(fmt, slot, entry, level))
            return PT_NO_TABLE;
        if (*entry & fmt->accessed && !mutant(PRUNE_NARROW)) {
            gather_add_range(harvest->gather, start, last);
            if (!mutant(PRUNE_LEAVES_ONLY))
                gather_add_table_entries(harvest->gather);
        }
    }
    if (*entry & fmt->accessed || (*entry & PT_SOFT_WALKED && !mutant(PRUNE_WITHOUT_S)))
        return PT_GO_DOWN;
    return harvest->flags & HARVEST_PRUNE ? PT_LEAVE_OUT : PT_GO_DOWN;
}

/* On the way down to iova, above level 1. A step that comes again to where the last one was, since a leaf was
 * split there, finds what that one has aged. False: nothing is to be done below. */
static ALWAYS_INLINE bool pt_harvest_enter(const struct pt_format *fmt, struct pt_harvest *harvest,
                                           uint64_t *slot, uint64_t *entry, uint64_t iova, unsigned level)
{
    enum pt_verdict verdict;

    if (!is_aligned(iova, PT_ENTRY_SIZE(level)) || (harvest->at == iova && level >= harvest->at_top))
        return true;
    verdict = pt_harvest_age(fmt, harvest, slot, entry, iova, level);
    if (verdict == PT_NO_TABLE)
        return true;
    harvest->at = iova;
    harvest->at_top = level;
    /* An audit has shares of everything. */
    if (verdict == PT_GO_DOWN || harvest->flags & HARVEST_AUDIT)
        return true;
    harvest->stats.pruned++;
    return false;
}

static ALWAYS_INLINE bool pt_is_audited(const struct pt_harvest *harvest, uint64_t iova)
{
    return harvest->flags & HARVEST_AUDIT &&
           (iova >> PT_ENTRY_LG2(1)) % HARVEST_AUDIT_SHARES == HARVEST_AUDIT_SHARE_OF(harvest->flags);
}

/* The lines of a table of level 1 that a pass looks at: those with a dirty leaf, with a table that is not
 * left out, or with one that is audited. Without pruning all are. */
static ALWAYS_INLINE uint64_t pt_harvest_lines(const struct pt_format *fmt, const struct pt_harvest *harvest,
                                               const uint64_t *table)
{
    unsigned line = HARVEST_AUDIT_SHARE_OF(harvest->flags) / PT_LINE_ENTRIES;
    uint64_t audited = harvest->flags & HARVEST_AUDIT ? HARVEST_AUDIT_LINES << line : 0;

    if (!harvest->prunes || !(harvest->flags & HARVEST_PRUNE))
        return ~0ull;
    return audited | pt_scan_lines(table, harvest->mask | fmt->accessed |
                                              (mutant(PRUNE_WITHOUT_S) ? 0 : PT_SOFT_WALKED));
}

/* The first entry from i on that is in one of these lines; PT_ENTRIES: none. */
static ALWAYS_INLINE unsigned pt_next_in_lines(uint64_t lines, unsigned i)
{
    uint64_t left = lines >> i / PT_LINE_ENTRIES;

    if (left & 1)
        return i;
    return left ? (i / PT_LINE_ENTRIES + (unsigned)__builtin_ctzll(left)) * PT_LINE_ENTRIES : PT_ENTRIES;
}

/* Which table of level 0 a pruned pass comes to after one, hardware cannot foresee: it is asked for while
 * that one is looked at, and so is its part of the bitmap. Entry i of the table is the first that it may be;
 * start is the address that the table translates from on. Returns the entry, or that there is none. */
static ALWAYS_INLINE unsigned pt_harvest_fetch(const struct pt_format *fmt, const struct pt_harvest *harvest,
                                               const uint64_t *table, uint64_t lines, uint64_t start,
                                               unsigned i)
{
    while (i < PT_ENTRIES && (i = pt_next_in_lines(lines, i)) < PT_ENTRIES) {
        uint64_t entry = atomic_read(&table[i]);

        if (pt_is_table(fmt, entry, 1) && entry & (fmt->accessed | PT_SOFT_WALKED)) {
            const uint64_t *below = pt_child(fmt, entry);
            uint64_t bit = (start + i * PT_ENTRY_SIZE(1) - harvest->bitmap->iova) >> PAGE_LG2;

            for (unsigned at = 0; at < PT_ENTRIES; at += PT_LINE_ENTRIES)
                __builtin_prefetch(&below[at]);
            __builtin_prefetch(&harvest->bitmap->words[bit / 64], 1);
            return i;
        }
        i++;
    }
    return PT_ENTRIES;
}

/* A table of level 0, whose entry at level 1 translates from start on. */
static ALWAYS_INLINE void pt_harvest_table(const struct pt_format *fmt, struct pt_harvest *harvest,
                                           uint64_t *table, uint64_t start)
{
    uint64_t last = start + PT_ENTRY_SIZE(1) - 1;
    unsigned first = start < harvest->iova ? pt_index(harvest->iova, 0) : 0;
    unsigned end = last > harvest->last ? pt_index(harvest->last, 0) + 1 : PT_ENTRIES;

    harvest->budget--;
    pt_harvest_pages(fmt, harvest, table, start, first, end);
}

/* One entry at level 1. */
static ALWAYS_INLINE void pt_harvest_entry(const struct pt_format *fmt, struct pt_harvest *harvest,
                                           uint64_t *slot, uint64_t start)
{
    uint64_t entry = pt_read(slot), dirty = harvest->stats.dirty;
    enum pt_verdict verdict = PT_NO_TABLE;

    while (verdict == PT_NO_TABLE) {
        if (pt_is_table(fmt, entry, 1)) {
            verdict = pt_harvest_age(fmt, harvest, slot, &entry, start, 1);
        } else if (pt_harvest_leaf(fmt, harvest, slot, start, 1)) {
            harvest->stats.entries++;
            return;
        } else {
            entry = pt_read(slot); /* it was split */
        }
    }
    if (verdict == PT_GO_DOWN) {
        pt_harvest_table(fmt, harvest, pt_child(fmt, entry), start);
    } else if (pt_is_audited(harvest, start)) {
        pt_harvest_table(fmt, harvest, pt_child(fmt, entry), start);
        harvest->stats.audited++;
        /* A walk that came since then has set accessed before dirty, and is no sign of anything. */
        if (pt_read(slot) == entry || mutant(AUDIT_WITHOUT_SECOND_LOOK))
            harvest->stats.audit_dirty += harvest->stats.dirty - dirty;
    } else {
        harvest->stats.pruned++;
    }
}

/* What lies in a table of level 1 from iova on. Returns where to go on. */
static ALWAYS_INLINE uint64_t pt_harvest_level1(const struct pt_format *fmt, struct pt_harvest *harvest,
                                                uint64_t *table, uint64_t iova)
{
    uint64_t start = align_down(iova, PT_ENTRY_SIZE(2)), last = start + PT_ENTRY_SIZE(2) - 1;
    unsigned end = last < harvest->last ? PT_ENTRIES : pt_index(harvest->last, 1) + 1;
    uint64_t lines = pt_harvest_lines(fmt, harvest, table);
    unsigned i = pt_index(iova, 1), fetched = 0;

    while (i < end && harvest->budget) {
        unsigned next = pt_next_in_lines(lines, i);

        if (next != i) {
            next = next < end ? next : end;
            harvest->stats.pruned += next - i;
            i = next;
            continue;
        }
        if (lines != ~0ull && fetched <= i)
            fetched = pt_harvest_fetch(fmt, harvest, table, lines, start, i + 1);
        pt_harvest_entry(fmt, harvest, &table[i], start + i * PT_ENTRY_SIZE(1));
        i++;
    }
    return start + i * PT_ENTRY_SIZE(1);
}

/* Harvests what lies in one table from iova on. Returns where to go on. Inside a read section, with a budget
 * of at least one table. */
static ALWAYS_INLINE uint64_t pt_harvest_step(const struct pt_format *fmt, const struct pt *pt,
                                              struct pt_harvest *harvest, uint64_t iova)
{
    uint64_t *table = pt->root;
    unsigned top_level = pt->top_level;

#pragma GCC unroll 5
    for (unsigned at = PT_LEVELS_MAX; --at > 1;) {
        uint64_t *slot, entry;

        if (at > top_level)
            continue;
        slot = &table[pt_index(iova, at)];
        entry = pt_read(slot);
        if (pt_is_table(fmt, entry, at) && !pt_harvest_enter(fmt, harvest, slot, &entry, iova, at))
            return pt_entry_end(iova, at);
        if (!pt_is_table(fmt, entry, at)) {
            harvest->stats.entries++;
            return pt_harvest_leaf(fmt, harvest, slot, align_down(iova, PT_ENTRY_SIZE(at)), at)
                       ? pt_entry_end(iova, at)
                       : iova; /* it was split: the next step goes down here */
        }
        table = pt_child(fmt, entry);
    }
    return pt_harvest_level1(fmt, harvest, table, iova);
}

static ALWAYS_INLINE void pt_harvest(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                     struct dirty_bitmap *bitmap, unsigned flags, struct gather *gather,
                                     struct harvest_stats *stats)
{
    struct pt_harvest harvest = {
        .iova = iova,
        .last = last,
        .mask = pt_dirty_mask(fmt, pt),
        .flags = flags,
        .prunes = pt->flags & PT_PRUNES,
        .at = ~0ull,
        .bitmap = bitmap,
        .gather = gather,
    };

    while (iova <= last) {
        harvest.budget = PT_HARVEST_TABLES;
        rcu_read_lock();
        for (unsigned steps = 0; steps < PT_HARVEST_TABLES && harvest.budget && iova <= last; steps++)
            iova = pt_harvest_step(fmt, pt, &harvest, iova);
        rcu_read_unlock();
        rcu_quiescent();
    }
    pt_harvest_write_word(&harvest);
    pt_widen_for_splits(pt, gather);
    if (stats)
        harvest_stats_add(stats, &harvest.stats);
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
