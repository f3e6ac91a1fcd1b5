/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that walks a tree of any format and caches what it finds: what an invalidation leaves out shows as
 * an entry that the tree no longer has. */
#pragma once

#include "lib/pt/pt.h"
#include "tests/host/tree.h"

#define AGENT_ENTRIES 16

/* What a unit's TLB holds of one leaf. */
struct agent_entry {
    bool valid;
    bool writable;
    bool dirty; /* the unit sets no dirty bit for a write through this */
    uint64_t iova;
    uint64_t bytes;
    uint64_t hpa;
};

struct agent {
    const struct pt *pt;
    const struct pt_ops *ops;
    struct agent_entry entries[AGENT_ENTRIES];
    unsigned next;
};

/* Walks from the root for an access that is allowed; sets accessed and dirty as hardware does if `sets`.
 * False: not mapped, or not to be written. */
bool agent_walk(const struct agent *agent, const struct tree_view *view, uint64_t iova, bool write, bool sets,
                struct agent_entry *entry);

/* An access: through what is cached, else by a walk that is cached from then on. *hit: nothing was read from
 * the tree. */
bool agent_access(struct agent *agent, uint64_t iova, bool write, bool *hit);

/* Drops what meets the gather's range. */
void agent_invalidate(struct agent *agent, const struct gather *gather);
