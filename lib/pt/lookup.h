/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: lookup and visit, which only read. */
#pragma once

#include "lib/pt/walk.h"

static ALWAYS_INLINE struct pt_leaf pt_decode(const struct pt_format *fmt, const struct pt *pt,
                                              uint64_t entry, uint64_t iova, unsigned level)
{
    return (struct pt_leaf){
        .iova = align_down(iova, PT_ENTRY_SIZE(level)),
        .hpa = entry & fmt->address,
        .level = level,
        .prot = fmt->decode(entry),
        .accessed = entry & fmt->accessed,
        .dirty = entry & pt_dirty_mask(fmt, pt),
    };
}

/* The leaf that translates iova, or false and in level that of the entry that is empty. Inside a read
 * section. */
static ALWAYS_INLINE bool pt_find(const struct pt_format *fmt, const struct pt *pt, uint64_t iova,
                                  struct pt_leaf *leaf, unsigned *level)
{
    uint64_t entry;

    (void)pt_descend(fmt, pt, iova, level, &entry);
    if (!pt_is_leaf(fmt, entry, *level))
        return false;
    *leaf = pt_decode(fmt, pt, entry, iova, *level);
    return true;
}

static ALWAYS_INLINE bool pt_lookup(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                                    struct pt_leaf *leaf)
{
    unsigned level;
    bool found;

    rcu_read_lock();
    found = pt_find(fmt, pt, iova, leaf, &level);
    rcu_read_unlock();
    return found;
}

/* Goes down from the root for each leaf: for people, who are slower still. */
static ALWAYS_INLINE void pt_visit(const struct pt_format *fmt, struct pt *pt, uint64_t iova, uint64_t last,
                                   bool (*visit)(void *context, const struct pt_leaf *leaf), void *context)
{
    bool more = true;

    while (more && iova <= last) {
        struct pt_leaf leaf;
        unsigned level;

        rcu_read_lock();
        if (pt_find(fmt, pt, iova, &leaf, &level))
            more = visit(context, &leaf);
        rcu_read_unlock();
        rcu_quiescent();
        iova = pt_entry_end(iova, level);
    }
}
