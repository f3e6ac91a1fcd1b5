/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table engine: radix trees of 512-entry tables, 3 to 5 levels, leaves at levels 0 to 2.
 *
 * It is written once (map.h, unlink.h, split.h, merge.h, lookup.h, harvest.h) and compiled once per format
 * (pt_x86_64.c ...), so that a format's functions inline. It knows no device and no IOMMU; what has to be
 * invalidated or freed it puts into the gather that it is handed.
 *
 * Callers on disjoint ranges need no lock among themselves, and none against lookup, visit and harvest. Each
 * function opens its own RCU read sections, and unless said otherwise must be called outside one: it reports
 * quiescent states between tables. */
#pragma once

#include "lib/compiler.h"
#include "lib/pt/dirty_bitmap.h"
#include "lib/pt/gather.h"
#include <stdbool.h>
#include <stdint.h>

#define PT_ENTRIES_LG2 9
#define PT_ENTRIES     (1u << PT_ENTRIES_LG2)
#define PT_LEVELS_MAX  5
#define PT_LEAF_LEVELS 3

#define PT_LEAF_LEVEL_MAX 2

/* Entries hold physical addresses below 2^this. */
#define PT_ADDRESS_LG2 52

/* What an entry at a level translates: 4 KiB at level 0, 2 MiB at 1, 1 GiB at 2. */
#define PT_ENTRY_LG2(level)  (12 + PT_ENTRIES_LG2 * (level))
#define PT_ENTRY_SIZE(level) (1ull << PT_ENTRY_LG2(level))

/* What a leaf lets happen, and how. Each format has some of these. */
enum pt_prot {
    PT_READ = 1, /* always */
    PT_WRITE = 2,
    PT_NO_EXECUTE = 4,
    PT_UNCACHED = 8,
    PT_SNOOP = 16, /* DMA snoops, whatever the device asks for */
};

enum pt_flags {
    /* Hardware does not snoop when it walks: what it is to see is flushed to memory. */
    PT_INCOHERENT = 1,
    /* An emulator's erratum: an accessed leaf counts as dirty, and a harvest clears both. */
    PT_ACCESSED_IS_DIRTY = 2,
    /* Leaves are made with accessed and dirty set, since hardware cannot set them. */
    PT_PRESET_DIRTY = 4,
    /* Hardware sets accessed in a table entry before it caches it, so that a pass may leave out what nobody
     * walked (prune.h). */
    PT_PRUNES = 8,
};

/* One tree. All but what says atomic is set once. */
struct pt {
    uint64_t *root;
    uint64_t tables;          /* table pages linked into the tree, the root included (atomic) */
    uint32_t open_splits;     /* leaves that were split and may be cached whole still (atomic; split.h) */
    uint32_t map_leaf_levels; /* those of leaf_levels that map() makes (atomic; changed at any time) */
    uint8_t top_level;        /* level of the root table: levels - 1 */
    uint8_t leaf_levels; /* bit n: leaves are allowed at level n; 1, 3 or 7: a split goes level by level */
    uint8_t address_lg2; /* addresses below 2^this can be mapped */
    uint8_t flags;       /* enum pt_flags */
};

/* A leaf as lookup and visit show it. */
struct pt_leaf {
    uint64_t iova; /* first address that the leaf translates */
    uint64_t hpa;  /* where that goes */
    unsigned level;
    unsigned prot; /* enum pt_prot */
    bool accessed;
    bool dirty;
};

enum harvest_flags {
    HARVEST_KEEP = 1, /* read the dirty bits, leave them set */
    /* Leave out what nobody walked since the pass before the last, in trees with PT_PRUNES; */
    HARVEST_PRUNE = 2,
    /* but look all the same at one in 64 of the tables that would be left out: HARVEST_AUDIT_SHARE(). */
    HARVEST_AUDIT = 4,
    /* A large leaf that reaches beyond the range is cleared as well, for who never asks what is dirty out
     * there. Else it stays dirty, and each harvest reports its part of it anew. */
    HARVEST_WHOLE_LEAVES = 8,
};

/* With HARVEST_AUDIT: the tables of level 0 whose 2 MiB have this number, 0 to 63, counted from address 0 and
 * again from 0 after 63. Who counts on with each pass sees all in 64 passes. */
#define HARVEST_AUDIT_SHARES          64u
#define HARVEST_AUDIT_SHARE(n)        ((unsigned)(n) % HARVEST_AUDIT_SHARES << 8)
#define HARVEST_AUDIT_SHARE_OF(flags) ((flags) >> 8 & (HARVEST_AUDIT_SHARES - 1))

/* What a harvest of pass n is to be called with that may leave something out. */
#define HARVEST_PRUNED(n) (HARVEST_PRUNE | HARVEST_AUDIT | HARVEST_AUDIT_SHARE(n))

struct harvest_stats {
    uint64_t tables;      /* tables of level 0 looked at */
    uint64_t entries;     /* leaf entries looked at */
    uint64_t dirty;       /* dirty leaves found */
    uint64_t pruned;      /* entries above level 0 that were passed over with all below */
    uint64_t audited;     /* tables looked at that would have been left out, */
    uint64_t audit_dirty; /* and dirty leaves found in those: hardware does not set accessed as it should */
    /* Filled in by who calls the engine: */
    uint64_t invalidation_ns; /* of what the pass called for */
    uint64_t leaving; /* unmaps that were under way when it had looked, merges beside it, and who had taken
                         over from an unmap that was not confirmed: their pages may not be reported yet */
};

/* Adds all of stats to sum. */
static inline void harvest_stats_add(struct harvest_stats *sum, const struct harvest_stats *stats)
{
    sum->tables += stats->tables;
    sum->entries += stats->entries;
    sum->dirty += stats->dirty;
    sum->pruned += stats->pruned;
    sum->audited += stats->audited;
    sum->audit_dirty += stats->audit_dirty;
    sum->invalidation_ns += stats->invalidation_ns;
    sum->leaving += stats->leaving;
}

/* One format of tables. */
struct pt_ops {
    const char *name;
    unsigned prot; /* enum pt_prot: what its leaves can say */

    /* Maps [iova, last] to hpa on, with the largest leaves that fit. iova and hpa are multiples of 4 KiB,
     * last + 1 too. *mapped_end is the end of what is mapped: last + 1, or less when it fails, and then the
     * caller unmaps that part. ERR_EXISTS where something is mapped, ERR_NOMEM. Ranges are checked by
     * the caller (pt_check_range()). What it stored may reach memory after it returned, but before anything
     * that this CPU stores later, such as what starts a device. */
    int (*map)(struct pt *pt, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot,
               uint64_t *mapped_end);

    /* Takes every leaf in [iova, last] out, splitting those that reach beyond it, and detaches the tables
     * that the range covers wholly or that became empty, into gather; holes are fine. Dirty leaves that are
     * taken out one by one are marked in dirty (may be NULL); those of detached tables come with
     * harvest_detached(). ERR_NOMEM: a leaf could not be split, nothing changed. */
    int (*unlink)(struct pt *pt, uint64_t iova, uint64_t last, struct gather *gather,
                  struct dirty_bitmap *dirty);

    /* Detaches the tables on the way to iova and to last that are empty, into gather. unlink() does so; but
     * one that a frozen entry of another gather's lay in can only go after that one's invalidation: who
     * finds unlink_again set in a gather calls this, and settles once more. */
    void (*unlink_empty)(struct pt *pt, uint64_t iova, uint64_t last, struct gather *gather);

    /* Splits every leaf that meets [iova, last] and is above level until none there is, each part dirty if
     * the leaf was. ERR_NOMEM: some are split. */
    int (*split)(struct pt *pt, uint64_t iova, uint64_t last, unsigned level, struct gather *gather);

    /* The opposite: makes one leaf of all that lies in a table within [iova, last] where the leaves allow it
     * (alike, side by side, aligned, of a size that the tree may have), dirty if any of them was; the tables
     * go into gather. The range belongs to the caller alone until after hand_back(). */
    void (*merge)(struct pt *pt, uint64_t iova, uint64_t last, struct gather *gather);

    /* After the invalidation of what merge() has put into gather: makes dirty the leaves in whose old tables
     * anything is dirty by now. all: the invalidation failed, and every one may be written through its old
     * table still, so they all are. */
    void (*hand_back)(struct pt *pt, const struct gather *gather, bool all);

    /* The leaf that translates iova. False when there is none. May be called inside a read section. */
    bool (*lookup)(struct pt *pt, uint64_t iova, struct pt_leaf *leaf);

    /* Reads, and unless HARVEST_KEEP clears, the dirty state of [iova, last] into bitmap, and puts what has
     * to be invalidated into gather. stats (may be NULL) is added to. The next pass over any of it comes when
     * that invalidation has completed; or, if it failed, after mark_walked(). */
    void (*harvest)(struct pt *pt, uint64_t iova, uint64_t last, struct dirty_bitmap *bitmap, unsigned flags,
                    struct gather *gather, struct harvest_stats *stats);

    /* Marks in bitmap the dirty leaves of the gather's detached tables. After gather_set_invalidated(). */
    void (*harvest_detached)(const struct pt *pt, const struct gather *gather, struct dirty_bitmap *bitmap);

    /* After a pass over [iova, last] whose invalidation did not complete: agents may go on by what they have
     * cached, and set dirty without setting accessed. The next two passes leave nothing out. Agents may also
     * write and set nothing at all, by leaves that were dirty before: nothing in the tree says so any more,
     * so the caller has what the pass gathered invalidated with the next one, whatever that finds. */
    void (*mark_walked)(struct pt *pt, uint64_t iova, uint64_t last);

    /* Calls visit(context, leaf) for each leaf that meets [iova, last], lowest first, inside a read section,
     * until it returns false. */
    void (*visit)(struct pt *pt, uint64_t iova, uint64_t last,
                  bool (*visit)(void *context, const struct pt_leaf *leaf), void *context);

    /* Adds to leaves[n] the leaves at level n of the whole tree. Each table is read once, in a read section
     * of its own; what comes or goes meanwhile may be counted or not. */
    void (*count)(const struct pt *pt, uint64_t leaves[PT_LEAF_LEVELS]);
};

extern const struct pt_ops pt_x86_64; /* x86 long mode: VT-d first stage, and AMD's nested paging */
extern const struct pt_ops pt_vtdss;  /* VT-d second stage */
extern const struct pt_ops pt_ept;    /* Intel's extended page tables, for CPUs */

/* The last address that the tables of a tree span; at or above the last one that can be mapped. */
static inline uint64_t pt_span_last(const struct pt *pt)
{
    return PT_ENTRY_SIZE(pt->top_level + 1) - 1;
}

/* Makes an empty tree of levels 3 to 5, whose map() makes leaves of all levels that it may have. ERR_INVALID,
 * ERR_NOMEM. */
int pt_init(struct pt *pt, unsigned levels, unsigned leaf_levels, unsigned address_lg2, unsigned flags)
    MUST_CHECK;

/* Frees the root. The whole span has been unlinked, and no agent and no walker knows the tree any more. */
void pt_destroy(struct pt *pt);

/* 0 if [iova, last] are whole pages that the tree can translate; ERR_INVALID or ERR_RANGE. */
int pt_check_range(const struct pt *pt, uint64_t iova, uint64_t last) MUST_CHECK;
