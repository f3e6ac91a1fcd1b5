/* SPDX-License-Identifier: BSD-2-Clause */
/* The gather: its states follow the free order, and going through them in any other order ends the run. */
#include "lib/pt/gather.h"
#include "lib/atomic.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/pt/table.h"
#include "lib/rcu_pages.h"
#include "lib/units.h"

/* Nothing is owed. */
static void clear(struct gather *gather)
{
    gather->iova = ~0ull;
    gather->last = 0;
    list_init(&gather->tables);
    gather->table_count = 0;
    gather->table_entries = false;
    gather->state = GATHER_OPEN;
}

void gather_init(struct gather *gather)
{
    clear(gather);
    gather->frozen_count = 0;
    gather->unlink_again = false;
    gather->splits = 0;
}

static void gather_step(struct gather *gather, enum gather_state from, enum gather_state to)
{
    if (gather->state != from)
        platform_panic("gather: state %d follows state %d", to, gather->state);
    gather->state = to;
}

void gather_add_table(struct gather *gather, void *table, uint64_t iova, unsigned level)
{
    struct page *page = page_of(table);

    page->table.iova = iova;
    page->table.level = level;
    list_append(&gather->tables, &page->link);
    gather->table_count++;
}

/* A frozen entry counts as one in use, so the table that it lies in is still there. */
static void thaw(struct gather *gather)
{
    while (gather->frozen_count) {
        uint64_t *entry = gather->frozen[--gather->frozen_count];

        atomic_write_release(entry, 0ull);
        if (!pt_table_release(entry, 1))
            gather->unlink_again = true;
    }
}

void gather_add_frozen(struct gather *gather, uint64_t *entry)
{
    gather->frozen[gather->frozen_count++] = entry;
    if (mutant(THAWED_AT_ONCE))
        thaw(gather);
}

static bool lies_in(const uint64_t *entry, const uint64_t *table)
{
    return align_down((uintptr_t)entry, PAGE_SIZE) == (uintptr_t)table;
}

bool gather_freeze_table(struct gather *gather, const uint64_t *table)
{
    unsigned own = 0, kept = 0;

    for (unsigned i = 0; i < gather->frozen_count; i++)
        own += lies_in(gather->frozen[i], table);
    if (!pt_table_freeze(table, own))
        return false;
    for (unsigned i = 0; i < gather->frozen_count; i++)
        if (!lies_in(gather->frozen[i], table))
            gather->frozen[kept++] = gather->frozen[i];
    gather->frozen_count = kept;
    return true;
}

void gather_add_split(struct gather *gather, uint32_t *open_splits)
{
    gather->open_splits = open_splits;
    gather->splits++;
}

void gather_add_table_entries(struct gather *gather)
{
    gather->table_entries = true;
}

bool gather_empty(const struct gather *gather)
{
    return gather->iova > gather->last;
}

bool gather_has_tables(const struct gather *gather)
{
    return gather->table_count != 0 || gather->table_entries;
}

void gather_set_invalidated(struct gather *gather)
{
    gather_step(gather, GATHER_OPEN, GATHER_INVALIDATED);
    thaw(gather);
    if (gather->splits)
        atomic_fetch_sub(gather->open_splits, gather->splits);
    gather->splits = 0;
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
    clear(gather);
    return count;
}

void quarantine_init(struct quarantine *quarantine)
{
    list_init(&quarantine->tables);
    quarantine->splits = 0;
}

uint64_t gather_quarantine(struct gather *gather, struct quarantine *quarantine)
{
    uint64_t count = gather->table_count;

    thaw(gather);
    list_for_each_safe (node, &gather->tables) {
        list_remove(node);
        list_append(&quarantine->tables, node);
    }
    if (gather->splits && !mutant(QUARANTINE_FORGETS_SPLITS)) {
        quarantine->open_splits = gather->open_splits;
        quarantine->splits += gather->splits;
    }
    gather_init(gather);
    return count;
}

void gather_resume(struct gather *gather, struct quarantine *quarantine, uint64_t last)
{
    gather_init(gather);
    gather_add_range(gather, 0, last);
    list_for_each_safe (node, &quarantine->tables) {
        list_remove(node);
        list_append(&gather->tables, node);
        gather->table_count++;
    }
    gather->open_splits = quarantine->open_splits;
    gather->splits = quarantine->splits;
    quarantine->splits = 0;
}
