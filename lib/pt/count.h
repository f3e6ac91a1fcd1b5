/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: counting leaves. */
#pragma once

#include "lib/pt/walk.h"

/* Counts the leaves of the lowest table on iova's path, from iova on, up to an entry that points further
 * down. Returns where to go on. Inside a read section. */
static ALWAYS_INLINE uint64_t pt_count_step(const struct pt_format *fmt, const struct pt *pt, uint64_t iova,
                                            uint64_t leaves[PT_LEAF_LEVELS])
{
    unsigned level;
    uint64_t entry;
    uint64_t *slot = pt_descend(fmt, pt, iova, &level, &entry);
    unsigned index = pt_index(iova, level);

    do {
        if (pt_is_leaf(fmt, entry, level))
            leaves[level]++;
        iova = pt_entry_end(iova, level);
        if (++index == PT_ENTRIES)
            break;
        entry = pt_read(++slot);
    } while (!pt_is_table(fmt, entry, level));
    return iova;
}

static ALWAYS_INLINE void pt_count(const struct pt_format *fmt, const struct pt *pt,
                                   uint64_t leaves[PT_LEAF_LEVELS])
{
    uint64_t iova = 0;

    while (iova <= pt_span_last(pt)) {
        rcu_read_lock();
        iova = pt_count_step(fmt, pt, iova, leaves);
        rcu_read_unlock();
        rcu_quiescent();
    }
}
