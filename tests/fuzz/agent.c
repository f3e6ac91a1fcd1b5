/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that walks a tree of any format and caches what it finds. */
#include "tests/fuzz/agent.h"
#include "lib/atomic.h"
#include "lib/platform.h"

#define ADDRESS 0x000ffffffffff000ull
#define LARGE   0x80ull

bool agent_walk(const struct agent *agent, const struct tree_view *view, uint64_t iova, bool write, bool sets,
                struct agent_entry *entry)
{
    const struct tree_format *format = tree_format_of(agent->ops);
    uint64_t *table = view->at(virt_to_phys(agent->pt->root));
    unsigned shift = 12 + 9u * agent->pt->top_level;

    for (;; shift -= 9) {
        uint64_t *slot = &table[iova >> shift & 511], found = atomic_read_acquire(slot);
        bool leaf = shift == 12 || found & LARGE;
        uint64_t set = format->accessed | (leaf && write ? format->dirty : 0);

        if (!(found & format->present) || (write && !(found & format->write)))
            return false;
        if (sets)
            found = atomic_fetch_or(slot, set) | set;
        if (leaf) {
            *entry = (struct agent_entry){.valid = true,
                                          .writable = found & format->write,
                                          .dirty = found & format->dirty,
                                          .iova = iova >> shift << shift,
                                          .bytes = 1ull << shift,
                                          .hpa = (found & ADDRESS) >> shift << shift};
            return true;
        }
        table = view->at(found & ADDRESS);
    }
}

bool agent_access(struct agent *agent, uint64_t iova, bool write, bool *hit)
{
    struct agent_entry found;

    for (unsigned i = 0; i < AGENT_ENTRIES; i++) {
        const struct agent_entry *entry = &agent->entries[i];

        *hit = entry->valid && iova - entry->iova < entry->bytes &&
               (!write || (entry->writable && entry->dirty));
        if (*hit)
            return true;
    }
    if (!agent_walk(agent, &tree_through_cache, iova, write, true, &found))
        return false;
    agent->entries[agent->next++ % AGENT_ENTRIES] = found;
    return true;
}

void agent_invalidate(struct agent *agent, const struct gather *gather)
{
    for (unsigned i = 0; i < AGENT_ENTRIES; i++) {
        struct agent_entry *entry = &agent->entries[i];

        if (entry->valid && entry->iova <= gather->last && entry->iova + entry->bytes > gather->iova)
            entry->valid = false;
    }
}
