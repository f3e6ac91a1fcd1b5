/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks to the watched pages. */
#include "tests/host/pt_watch.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/pt/walk.h"
#include "tests/host/pt_fixture.h"
#include <string.h>

struct watched watched[WATCHED];

uint64_t iova_at(unsigned page)
{
    return PT_ENTRY_SIZE(levels - 1) + page * PAGE_SIZE - BELOW * PAGE_SIZE;
}

bool sight_same(struct sight a, struct sight b)
{
    return a.present == b.present && a.hpa == b.hpa && a.write == b.write;
}

static struct sight sight_from(const struct tree_view *view, uint64_t table, unsigned level, unsigned page)
{
    struct tree_leaf leaf;

    if (!tree_find_from(format, view, table, level, iova_at(page), &leaf))
        return (struct sight){.present = false};
    return (struct sight){true, leaf.entry & format->write, leaf.hpa};
}

struct sight sight_of(const struct tree_view *view, unsigned page)
{
    return sight_from(view, virt_to_phys(pt.root), pt.top_level, page);
}

void watched_cache(struct watched *at)
{
    uint64_t table = virt_to_phys(pt.root);

    memset(at->table, 0, sizeof at->table);
    for (unsigned level = pt.top_level; level; level--) {
        uint64_t entry = *((uint64_t *)phys_to_virt(table) + pt_index(iova_at(at->page), level));

        at->table[level] = table;
        if (!(entry & format->present) || (level <= 2 && entry & 0x80))
            return;
        table = entry & 0x000ffffffffff000ull;
    }
    at->table[0] = table;
}

bool watched_is_linked(const volatile uint64_t *entry)
{
    uint64_t hpa = align_down(virt_to_phys((const void *)entry), PAGE_SIZE);

    for (unsigned i = 0; i < WATCHED; i++) {
        struct watched now = watched[i];

        watched_cache(&now);
        for (unsigned level = 0; level <= pt.top_level; level++)
            if (now.table[level] == hpa || watched[i].table[level] == hpa)
                return true;
    }
    return false;
}

static bool is_either(struct sight now, const struct watched *at)
{
    return sight_same(now, at->before) || sight_same(now, at->after);
}

bool watched_is_legal(struct watched *at, unsigned level)
{
    struct sight now = sight_of(&tree_through_cache, at->page);

    if (!is_either(now, at) || (at->changed && !sight_same(now, at->after)))
        return false;
    at->changed = sight_same(now, at->after) && !sight_same(at->before, at->after);
    if (at->table[level] &&
        !is_either(sight_from(&tree_through_cache, at->table[level], level, at->page), at))
        return false;
    return !(pt.flags & PT_INCOHERENT) || is_either(sight_of(&tree_in_memory, at->page), at);
}
