/* SPDX-License-Identifier: BSD-2-Clause */
/* What a unit may keep of what it has read (6.2). An entry stays until it is invalidated, or until the unit
 * chooses to drop it: never, always, or now and then, as a run's temper has it. */
#pragma once

#include "tests/model/memory.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tags by the spec's table "address translation caches" (6.2.1). A tag that is not used is 0. */
struct cached_translation { /* IOTLB */
    bool present;           /* false: caching mode keeps what is not there */
    bool first_stage;
    uint16_t source_id; /* lookups go by it and do not look at the context entry; invalidations go by did */
    uint16_t did;
    bool for_pasid; /* filled by a request with PASID: the others by the same source are another's */
    uint32_t pasid; /* scalable mode: also of second stage and pass-through; RID_PASID where it has none */
    uint64_t iova;  /* first address, a multiple of the size */
    unsigned page_lg2;
    uint64_t hpa;
    bool readable;
    bool writable;
    bool dirty;          /* the leaf's dirty bit was set by this unit, or seen set: a write needs no walk */
    uint64_t table;      /* where the leaf is: HPA of the table, */
    uint64_t generation; /* and which page that was; 0 for pass-through */
    uint64_t target_generation;
};

struct cached_table { /* second-stage and first-stage paging-structure caches */
    bool first_stage;
    uint16_t did;
    uint32_t pasid;    /* first stage only */
    uint64_t iova;     /* first address that the table translates */
    unsigned span_lg2; /* and how far: 21, 30, 39, 48 */
    uint64_t table;    /* HPA of the table */
    uint64_t generation;
    bool readable; /* what all entries above grant */
    bool writable;
};

struct cached_context {
    bool present;
    bool scalable;
    uint16_t source_id;
    uint16_t did; /* legacy */
    uint64_t word[4];
    uint64_t at; /* HPA of the entry, */
    uint64_t generation;
};

struct cached_pasid {
    bool present;
    uint16_t source_id;
    uint32_t pasid;
    uint16_t did;
    uint64_t word[8];
    uint64_t at;
    uint64_t generation;
    uint64_t tree_generation; /* of the root of the tree that it points to; 0 for pass-through */
};

struct cached_interrupt {
    bool present;
    uint16_t index;
    uint64_t word[2];
    uint64_t at;
};

#define CACHE_ENTRIES_MAX 128

/* One cache: entries of one of the types above, in no order. */
struct cache {
    void *entries;
    size_t entry_bytes;
    unsigned count;
};

struct unit_caches {
    struct cache translations;
    struct cache tables;
    struct cache contexts;
    struct cache pasids;
    struct cache interrupts;
    unsigned temper; /* 0: never drops by itself; 1: drops at once, as far as that is legal; n: 1 in n */
};

void caches_make(struct unit_caches *caches);

/* Makes a single one, empty: a device's or a CPU's. */
void cache_make(struct cache *cache, size_t entry_bytes);

/* The n-th entry. */
void *cache_entry(struct cache *cache, unsigned n);

/* Puts a copy of *entry in, unless the unit's temper is to keep nothing. When it is full some other one goes.
 * caches is NULL for a cache that is of no unit: what is in it stays. */
void cache_add(struct unit_caches *caches, struct cache *cache, const void *entry);

/* Drops every entry for which matches(context, entry). Returns how many went. */
unsigned cache_drop(struct cache *cache, bool (*matches)(const void *context, const void *entry),
                    const void *context);

/* The first entry for which matches; NULL if there is none. Which of several is up to the unit. */
void *cache_find(struct cache *cache, bool (*matches)(const void *context, const void *entry),
                 const void *context);

/* The unit may drop something now, as its temper has it. */
void caches_maybe_drop(struct unit_caches *caches);
