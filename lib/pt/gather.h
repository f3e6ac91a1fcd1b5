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

struct gather {
    uint64_t iova;      /* first and last IOVA whose translation changed; */
    uint64_t last;      /* iova > last when none did */
    struct list tables; /* detached table pages, struct page by its link */
    uint64_t table_count;
    enum gather_state state;
};

void gather_init(struct gather *gather);

/* The translations of [iova, last] changed. */
void gather_add_range(struct gather *gather, uint64_t iova, uint64_t last);

/* table (its address) was unlinked by one atomic store and translates from iova on, at level. */
void gather_add_table(struct gather *gather, void *table, uint64_t iova, unsigned level);

/* True when nothing has to be invalidated. */
bool gather_empty(const struct gather *gather);

/* Table entries are to be invalidated too, not only leaves (IH=0). */
bool gather_has_tables(const struct gather *gather);

/* Every agent's invalidation of the gather's range has completed. */
void gather_set_invalidated(struct gather *gather);

/* The detached tables' dirty bits have been read, or nobody wants them. After gather_set_invalidated() only.
 */
void gather_set_harvested(struct gather *gather);

/* Hands the table pages to RCU as one list with one callback (rcu), or to the allocator at once where no
 * software walker runs without the domain's lock. After gather_set_harvested() only. Returns how many pages
 * went. */
uint64_t gather_free(struct gather *gather, bool rcu);

/* An invalidation did not complete: moves the table pages to a list that nobody frees from. Returns how many.
 */
uint64_t gather_quarantine(struct gather *gather, struct list *quarantine);
