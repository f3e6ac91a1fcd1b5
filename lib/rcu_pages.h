/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that wait for a grace period on their way back to the allocator. */
#pragma once

#include "lib/compiler.h"
#include "lib/list.h"
#include <stdbool.h>
#include <stdint.h>

/* Frees every page on the list (struct page, by its link; the list is empty after) after a grace period: one
 * callback for all of them. Needs no memory: the head of the callback lives in the first struct page of the
 * list. Waits, when more pages are on their way than the backlog may have, until they are fewer; so outside
 * read sections, not in an interrupt handler. */
void rcu_free_pages(struct list *pages);

/* How many pages may be on their way (4096 unless set). */
void rcu_set_backlog_pages(uint64_t pages);

/* For page_alloc_set_reclaim(): waits, a second at most, until pages that are on their way arrive. False when
 * none are, or when this CPU is where it must not wait. */
bool rcu_pages_reclaim(void) MUST_CHECK;

struct rcu_pages_stats {
    uint64_t queued; /* pages, ever */
    uint64_t freed;
};

void rcu_pages_stats(struct rcu_pages_stats *stats);
