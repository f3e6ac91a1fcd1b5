/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine's vocabulary: indices, children, dirty masks, and marking pages in a bitmap. */
#pragma once

#include "lib/atomic.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/pt/format.h"
#include "lib/pt/pt.h"
#include "lib/rcu.h"
#include "lib/units.h"

static ALWAYS_INLINE unsigned pt_index(uint64_t iova, unsigned level)
{
    return (unsigned)(iova >> PT_ENTRY_LG2(level)) % PT_ENTRIES;
}

/* The first address after the entry that translates iova at level. */
static ALWAYS_INLINE uint64_t pt_entry_end(uint64_t iova, unsigned level)
{
    return align_down(iova, PT_ENTRY_SIZE(level)) + PT_ENTRY_SIZE(level);
}

/* The entry that begins at iova lies within [iova, last]. */
static ALWAYS_INLINE bool pt_covers(uint64_t iova, uint64_t last, unsigned level)
{
    return is_aligned(iova, PT_ENTRY_SIZE(level)) && last - iova >= PT_ENTRY_SIZE(level) - 1;
}

static ALWAYS_INLINE bool pt_is_present(const struct pt_format *fmt, uint64_t entry)
{
    return entry & fmt->present;
}

static ALWAYS_INLINE bool pt_is_leaf(const struct pt_format *fmt, uint64_t entry, unsigned level)
{
    return pt_is_present(fmt, entry) && (level == 0 || (level <= PT_LEAF_LEVEL_MAX && entry & fmt->large));
}

static ALWAYS_INLINE bool pt_is_table(const struct pt_format *fmt, uint64_t entry, unsigned level)
{
    return pt_is_present(fmt, entry) && !pt_is_leaf(fmt, entry, level);
}

static ALWAYS_INLINE uint64_t *pt_child(const struct pt_format *fmt, uint64_t entry)
{
    return phys_to_virt(entry & fmt->address);
}

/* Reads an entry once. A software walker that finds itself in a freed table ends the run in a debug build. */
static ALWAYS_INLINE uint64_t pt_read(const uint64_t *slot)
{
    uint64_t entry = rcu_dereference(slot);

#ifdef LULL_DEBUG
    if (entry == PAGE_POISON)
        platform_panic("pt: a walker is in a table that was freed");
#endif
    return entry;
}

/* The bits of a leaf that say that its page was written. */
static ALWAYS_INLINE uint64_t pt_dirty_mask(const struct pt_format *fmt, const struct pt *pt)
{
    return UNLIKELY(pt->flags & PT_ACCESSED_IS_DIRTY) ? fmt->dirty | fmt->accessed : fmt->dirty;
}

/* What walks that do not snoop are to see of count entries. */
static ALWAYS_INLINE void pt_flush(const struct pt *pt, const uint64_t *entries, unsigned count)
{
    if (pt->flags & PT_INCOHERENT)
        platform_cache_flush(entries, count * sizeof *entries);
}

/* Brings a table entry to memory and notes that in it. Whoever goes through an entry without the note does
 * this itself, since the one who installed it may not have come to it yet. */
static ALWAYS_INLINE void pt_settle(const struct pt *pt, uint64_t *slot, uint64_t entry)
{
    if (!(pt->flags & PT_INCOHERENT) || entry & PT_SOFT_FLUSHED)
        return;
    platform_cache_flush(slot, sizeof *slot);
    /* Lost to hardware that sets accessed: then the next one flushes once more. */
    (void)atomic_compare_exchange(slot, &entry, entry | PT_SOFT_FLUSHED);
}

/* Goes down from the root to the lowest entry on iova's path. Returns its slot, and in *entry what was read
 * there: a second look may find a leaf that is split meanwhile. Inside a read section. Unrolled, so that each
 * level is a constant where it is looked at. */
static ALWAYS_INLINE uint64_t *pt_descend(const struct pt_format *fmt, const struct pt *pt, uint64_t iova,
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
        table = pt_child(fmt, *entry);
    }
    return slot;
}
