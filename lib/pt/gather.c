/* SPDX-License-Identifier: BSD-2-Clause */
/* The gather: its states follow the free order, and going through them in any other order ends the run. */
#include "lib/pt/gather.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu_pages.h"

void gather_init(struct gather *gather)
{
    gather->iova = ~0ull;
    gather->last = 0;
    list_init(&gather->tables);
    gather->table_count = 0;
    gather->state = GATHER_OPEN;
}

static void gather_step(struct gather *gather, enum gather_state from, enum gather_state to)
{
    if (gather->state != from)
        platform_panic("gather: state %d follows state %d", to, gather->state);
    gather->state = to;
}

void gather_add_range(struct gather *gather, uint64_t iova, uint64_t last)
{
    if (iova < gather->iova)
        gather->iova = iova;
    if (last > gather->last)
        gather->last = last;
}

void gather_add_table(struct gather *gather, void *table, uint64_t iova, unsigned level)
{
    struct page *page = page_of(table);

    page->table.iova = iova;
    page->table.level = level;
    list_append(&gather->tables, &page->link);
    gather->table_count++;
}

bool gather_empty(const struct gather *gather)
{
    return gather->iova > gather->last;
}

bool gather_has_tables(const struct gather *gather)
{
    return gather->table_count != 0;
}

void gather_set_invalidated(struct gather *gather)
{
    gather_step(gather, GATHER_OPEN, GATHER_INVALIDATED);
}

void gather_set_harvested(struct gather *gather)
{
    gather_step(gather, GATHER_INVALIDATED, GATHER_HARVESTED);
}

uint64_t gather_free(struct gather *gather, bool rcu)
{
    uint64_t count = gather->table_count;

    gather_step(gather, GATHER_HARVESTED, GATHER_OPEN);
    if (rcu)
        rcu_free_pages(&gather->tables);
    else
        list_for_each_safe (node, &gather->tables) {
            list_remove(node);
            pages_free(page_address(list_entry(node, struct page, link)));
        }
    gather_init(gather);
    return count;
}

uint64_t gather_quarantine(struct gather *gather, struct list *quarantine)
{
    uint64_t count = gather->table_count;

    list_for_each_safe (node, &gather->tables) {
        list_remove(node);
        list_append(quarantine, node);
    }
    gather_init(gather);
    return count;
}
