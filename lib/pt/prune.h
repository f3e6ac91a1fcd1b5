/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: what a pass may leave out, so that it costs what was touched and not what is mapped.
 *
 * Each table entry has the hardware's accessed bit A and one software bit S (PT_SOFT_WALKED). A pass goes
 * down from the root. At an entry it replaces (A, S) by (0, A) in one compare-and-swap, once, before it looks
 * at anything below; if both were 0 it may leave out all that is below; and the spans of the entries whose A
 * it cleared are invalidated, table entries too, before the pass reports and before the next one begins.
 *
 * Why nothing is lost: hardware sets A before it caches a table entry, or goes by it. So when a pass has
 * completed its invalidation nobody holds anything from below an entry whose A is 0, and a dirty bit can
 * appear there only by a walk that sets A again. If A was 1, dirty bits may have been set through cached
 * copies until that invalidation, behind the pass's back; then S is 1, and the next pass looks. If A was 0
 * and S was 0 the last pass has looked since the last walk. A pass that does not leave out anything does the
 * same with A and S, and the next one may.
 *
 * - An entry that reaches beyond the harvested range keeps both: a pass over one part must not make another
 *   pass leave out the rest. So it does with HARVEST_KEEP, which clears nothing.
 * - Software that sets a dirty bit sees to S. A split puts a table in place whose leaves may be dirty, so the
 *   very entry that links it has S: a pass that has gone by above has taken its S already, but comes to this
 *   entry itself, or has read the leaf. A merge that hands back sets S on the way above, from below
 *   upwards, after the leaf is dirty.
 * - A pass whose invalidation failed sets A in all of its range again (pt_mark_walked()): the next pass looks
 *   at everything, and leaves S, so the one after that does too.
 *
 * tests/spin/prune.pml has each of these rules, and loses a write without it. */
#pragma once

#include "lib/mutant.h"
#include "lib/pt/walk.h"

/* Replaces (A, S) of a table entry by (0, A). False if there is no table any more. *entry is what was read
 * there, and becomes what was replaced, or what is there instead. */
static ALWAYS_INLINE bool pt_age(const struct pt_format *fmt, uint64_t *slot, uint64_t *entry, unsigned level)
{
    const uint64_t both = fmt->accessed | PT_SOFT_WALKED;
    uint64_t aged;

    if (mutant(PRUNE_S_BEFORE)) {
        uint64_t before = *entry;

        *entry = atomic_fetch_and(slot, ~both);
        if (before & fmt->accessed)
            atomic_fetch_or(slot, PT_SOFT_WALKED);
        *entry = before;
        return true;
    }
    do {
        if (!pt_is_table(fmt, *entry, level))
            return false;
        if (!(*entry & both))
            return true;
        aged = (*entry & ~both) | (*entry & fmt->accessed ? PT_SOFT_WALKED : 0);
    } while (!atomic_compare_exchange(slot, entry, aged));
    return true;
}

/* Sets a bit in an entry for as long as it points to a table. */
static ALWAYS_INLINE void pt_set_in_table_entry(const struct pt_format *fmt, uint64_t *slot, uint64_t entry,
                                                unsigned level, uint64_t bit)
{
    while (pt_is_table(fmt, entry, level) && !(entry & bit) &&
           !atomic_compare_exchange(slot, &entry, entry | bit))
        ;
}

/* A leaf at level was made dirty by software: whoever has gone by on its way down leaves it out the next
 * time, unless the way says otherwise. Leaf to root, or a pass could meet a way that says nothing after it
 * has taken what it says above. Inside a read section. */
static ALWAYS_INLINE void pt_mark_way(const struct pt_format *fmt, const struct pt *pt, uint64_t iova,
                                      unsigned level)
{
    uint64_t *slots[PT_LEVELS_MAX];
    uint64_t *table = pt->root;
    unsigned lowest = pt->top_level;

    for (unsigned at = pt->top_level; at > level; at--) {
        uint64_t entry;

        slots[at] = &table[pt_index(iova, at)];
        entry = pt_read(slots[at]);
        lowest = at;
        if (!pt_is_table(fmt, entry, at))
            break;
        table = pt_child(fmt, entry);
    }
    for (unsigned at = lowest; at <= pt->top_level && at > level; at++)
        pt_set_in_table_entry(fmt, slots[at], pt_read(slots[at]), at, PT_SOFT_WALKED);
}

/* Sets A in the table entries on the way to iova, and in that of its table of level 0. Returns where to go
 * on. Inside a read section. */
static ALWAYS_INLINE uint64_t pt_mark_walked_step(const struct pt_format *fmt, struct pt *pt, uint64_t iova)
{
    uint64_t *table = pt->root;
    unsigned level = pt->top_level;

    for (;; level--) {
        uint64_t *slot = &table[pt_index(iova, level)];
        uint64_t entry = pt_read(slot);

        pt_set_in_table_entry(fmt, slot, entry, level, fmt->accessed);
        if (level == 1 || !pt_is_table(fmt, entry, level))
            return pt_entry_end(iova, level);
        table = pt_child(fmt, entry);
    }
}

static ALWAYS_INLINE void pt_mark_walked(const struct pt_format *fmt, struct pt *pt, uint64_t iova,
                                         uint64_t last)
{
    if (!(pt->flags & PT_PRUNES) || mutant(NO_MARK_WALKED))
        return;
    while (iova <= last) {
        rcu_read_lock();
        iova = pt_mark_walked_step(fmt, pt, iova);
        rcu_read_unlock();
        rcu_quiescent();
    }
}
