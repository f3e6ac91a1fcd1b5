/* SPDX-License-Identifier: BSD-2-Clause */
/* What an unmap still owes: ranges to invalidate on every agent, and detached table pages to free.
 *
 * A gather goes through its states in one order only, which is the free order (docs/design.md: a table page
 * goes back only after it was unlinked, invalidated everywhere, harvested, and a grace period has passed).
 * Nothing else frees table pages. */
#pragma once

#include "lib/compiler.h"
#include "lib/list.h"
#include <stdbool.h>
#include <stdint.h>

enum gather_state {
    GATHER_OPEN,        /* entries are being changed, tables unlinked */
    GATHER_INVALIDATED, /* no agent holds a translation or a table entry of it any more */
    GATHER_HARVESTED,   /* the dirty bits of the detached tables are in a bitmap, or nobody wants them */
};

/* What agents may go by though it left the tree, since an invalidation was not confirmed. */
struct quarantine {
    struct list tables; /* pages that nobody frees from */
    uint32_t *open_splits;
    uint32_t splits; /* of the tree's open splits */
};

struct gather {
    uint64_t iova;      /* first and last IOVA whose translation changed; */
    uint64_t last;      /* iova > last when none did */
    struct list tables; /* detached table pages, struct page by its link */
    uint64_t table_count;
    bool table_entries; /* those in the range changed too: gather_add_table_entries() */
    /* Entries that pointed to tables which became empty, and are PT_FROZEN until the invalidation: agents may
     * go on through those tables, so that what is mapped here before would not be found. One for each end of
     * the range. */
    uint64_t *frozen[2];
    unsigned frozen_count;
    bool unlink_again; /* those entries are empty now, and a table that one lay in is too: pt_ops.unlink_empty
                        */
    uint32_t *open_splits; /* the tree's, of which so many are this gather's */
    uint32_t splits;
    enum gather_state state;
};

void gather_init(struct gather *gather);

/* The translations of [iova, last] changed. */
static inline void gather_add_range(struct gather *gather, uint64_t iova, uint64_t last)
{
    if (iova < gather->iova)
        gather->iova = iova;
    if (last > gather->last)
        gather->last = last;
}

/* table (its address) was unlinked by one atomic store and translates from iova on, at level. */
void gather_add_table(struct gather *gather, void *table, uint64_t iova, unsigned level);

/* A leaf of the tree whose count of open splits this is was split: the count was raised for it, and falls
 * with the gather's invalidation. */
void gather_add_split(struct gather *gather, uint32_t *open_splits);

/* entry is PT_FROZEN, and belongs to this gather until its invalidation. */
void gather_add_frozen(struct gather *gather, uint64_t *entry);

/* Freezes a table if nothing is in use in it but this gather's frozen entries, which go with it. */
bool gather_freeze_table(struct gather *gather, const uint64_t *table);

/* True when nothing has to be invalidated. */
bool gather_empty(const struct gather *gather);

/* Table entries in the gather's range changed too: tables may have been linked where an agent has cached that
 * there were none, or accessed bits were cleared. */
void gather_add_table_entries(struct gather *gather);

/* Table entries are to be invalidated too, not only leaves (IH=0). */
bool gather_has_tables(const struct gather *gather);

/* Every agent's invalidation of the gather's range has completed. Frozen entries are empty then, and the
 * gather's splits closed. */
void gather_set_invalidated(struct gather *gather);

/* The detached tables' dirty bits have been read, or nobody wants them. After gather_set_invalidated() only.
 */
void gather_set_harvested(struct gather *gather);

/* Hands the table pages to RCU as one list with one callback (rcu), or to the allocator at once where no
 * software walker runs without the domain's lock. After gather_set_harvested() only. Returns how many pages
 * went. */
uint64_t gather_free(struct gather *gather, bool rcu);

void quarantine_init(struct quarantine *quarantine);

/* An invalidation did not complete, and the agents that failed have been cut off: moves the table pages to
 * quarantine. Returns how many. DMA that is under way may go on through those tables, and through large
 * leaves that were split, so splits stay open, and are the quarantine's; but frozen entries are empty then,
 * since a mapper cannot wait for ever, and nobody who may still ask goes by the old tables.
 *
 * Tables above that are empty now stay linked, and are no loss: whoever next unmaps something below them, or
 * a range that covers them, takes them out as any others, and at the latest the domain's end does. To take
 * them out here would need another invalidation of the agents that did not fail. */
uint64_t gather_quarantine(struct gather *gather, struct quarantine *quarantine);

/* The opposite, for another try: all that is in quarantine is owed again. Agents may hold anything of
 * [0, last]. */
void gather_resume(struct gather *gather, struct quarantine *quarantine, uint64_t last);
