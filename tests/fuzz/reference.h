/* SPDX-License-Identifier: BSD-2-Clause */
/* What a tree must hold, as a sorted array of runs of leaves that are alike: a plain reference for the engine
 * that knows nothing of tables. */
#pragma once

#include "lib/pt/pt.h"

#define REFERENCE_RUNS 8192

/* Leaves of one level, side by side in iova and hpa, that say the same. */
struct reference_run {
    uint64_t iova;
    uint64_t bytes;
    uint64_t hpa;
    uint8_t level;
    uint8_t prot;
    bool accessed;
    bool dirty;
};

struct reference {
    unsigned leaf_levels;
    bool accessed_is_dirty;
    bool preset;
    unsigned count;
    struct reference_run runs[REFERENCE_RUNS];
};

/* The run that iova is in; NULL where nothing is mapped. */
struct reference_run *reference_find(struct reference *reference, uint64_t iova);

/* The first run that ends after iova; runs + count if none does. */
struct reference_run *reference_after(struct reference *reference, uint64_t iova);

/* The first address of [iova, last] that is mapped; last + 1 if none is. */
uint64_t reference_first_mapped(struct reference *reference, uint64_t iova, uint64_t last);

/* Maps [iova, last], where nothing is mapped, with the largest leaves that fit, as far as end. */
void reference_map(struct reference *reference, uint64_t iova, uint64_t last, uint64_t end, uint64_t hpa,
                   unsigned prot);

/* Unmaps, after splitting what reaches beyond the range. *dirty (may be NULL) gets what was dirty. Returns
 * whether anything was mapped. */
bool reference_unmap(struct reference *reference, uint64_t iova, uint64_t last, struct dirty_bitmap *dirty);

/* Splits the leaf at iova by one level. */
void reference_split_leaf(struct reference *reference, uint64_t iova);

/* Splits every leaf above level that meets the range. Returns whether there was one. */
bool reference_split(struct reference *reference, uint64_t iova, uint64_t last, unsigned level);

/* Returns whether anything was merged. */
bool reference_merge(struct reference *reference, uint64_t iova, uint64_t last);

/* A device reads or writes one byte; the page is mapped. */
void reference_touch(struct reference *reference, uint64_t iova, bool write);

/* Returns whether a leaf was cleared. */
bool reference_harvest(struct reference *reference, uint64_t iova, uint64_t last, bool keep,
                       struct dirty_bitmap *bitmap);

bool reference_is_dirty(const struct reference *reference, const struct reference_run *run);

/* Table pages that a tree of so many levels needs for it, the root included, if none is empty. */
uint64_t reference_tables(const struct reference *reference, unsigned levels);
