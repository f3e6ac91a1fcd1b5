/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of pages as callbacks; a bound on how many wait; and waiting for them when memory is out. */
#include "lib/rcu_pages.h"
#include "lib/deadline.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/rcu_cpu.h"
#include "lib/units.h"

/* Who allocates may hold a lock that keeps another CPU from reporting, so this wait has an end. */
#define RECLAIM_NS (1 * NS_PER_S)

static uint64_t queued CACHE_ALIGNED;
static uint64_t freed;
static uint64_t backlog_pages = 4096;

void rcu_set_backlog_pages(uint64_t pages)
{
    atomic_write(&backlog_pages, pages);
}

static uint64_t on_their_way(void)
{
    uint64_t done = atomic_read(&freed); /* first, so that it is never more than what was queued */

    return atomic_read(&queued) - done;
}

/* head is in the first struct page of a ring of pages that has no other head. */
static void free_ring(struct rcu_head *head)
{
    struct page *first = CONTAINER_OF(head, struct page, rcu);
    uint64_t count = 1;

    while (!list_empty(&first->link)) {
        struct page *page = list_entry(first->link.next, struct page, link);

        list_remove(&page->link);
        pages_free(page_address(page));
        count++;
    }
    pages_free(page_address(first));
    atomic_fetch_add(&freed, count);
}

static uint64_t count_pages(const struct list *pages)
{
    uint64_t count = 0;

    list_for_each (node, pages)
        count++;
    return count;
}

/* Callbacks must not wait; what they free is bounded by what let them run. */
static void wait_for_room(void)
{
    if (rcu_this_cpu()->running || on_their_way() <= atomic_read(&backlog_pages))
        return;
    while (on_their_way() > atomic_read(&backlog_pages)) {
        rcu_quiescent();
        rcu_expedite_all();
        platform_relax();
    }
}

void rcu_free_pages(struct list *pages)
{
    struct page *first;

    if (list_empty(pages))
        return;
    atomic_fetch_add(&queued, count_pages(pages));
    first = list_entry(pages->next, struct page, link);
    list_remove(pages);
    if (mutant(FREE_BEFORE_GRACE_PERIOD))
        free_ring(&first->rcu);
    else
        call_rcu(&first->rcu, free_ring);
    wait_for_room();
}

static bool arrived(uint64_t before)
{
    rcu_quiescent();
    /* Again and again: what is waited for may take two grace periods, and callbacks of other CPUs. */
    rcu_expedite_all();
    return atomic_read(&freed) != before;
}

bool rcu_pages_reclaim(void)
{
    const struct rcu_cpu *cpu = rcu_this_cpu();
    uint64_t before = atomic_read(&freed);

    if (!cpu->seen || cpu->running || platform_in_interrupt() || !on_their_way())
        return false;
    return wait_until(arrived(before), RECLAIM_NS);
}

void rcu_pages_stats(struct rcu_pages_stats *stats)
{
    stats->freed = atomic_read(&freed);
    stats->queued = atomic_read(&queued);
}
