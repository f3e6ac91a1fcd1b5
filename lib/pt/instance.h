/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine, compiled for one format: included once by each pt_FORMAT.c, which says which by four macros
 * (PT_INSTANCE, the ops to make; PT_FORMAT, the initializer of a struct pt_format; PT_NAME; PT_PROT, what its
 * leaves can say). What a format needs is inlined into these functions. */
#pragma once

#include "lib/pt/count.h"
#include "lib/pt/harvest.h"
#include "lib/pt/lookup.h"
#include "lib/pt/map.h"
#include "lib/pt/merge.h"
#include "lib/pt/prune.h"
#include "lib/pt/split.h"
#include "lib/pt/unlink.h"

#ifdef PT_INSTANCE

static const struct pt_format format = PT_FORMAT;

static int map(struct pt *pt, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot, uint64_t *mapped_end)
{
    return pt_map(&format, pt, iova, last, hpa, prot, mapped_end);
}

static int unlink(struct pt *pt, uint64_t iova, uint64_t last, struct gather *gather,
                  struct dirty_bitmap *dirty)
{
    return pt_unlink(&format, pt, iova, last, gather, dirty);
}

static void unlink_empty(struct pt *pt, uint64_t iova, uint64_t last, struct gather *gather)
{
    pt_unlink_empty(&format, pt, iova, last, gather);
}

static int split(struct pt *pt, uint64_t iova, uint64_t last, unsigned level, struct gather *gather)
{
    return pt_split(&format, pt, iova, last, level, gather);
}

static void merge(struct pt *pt, uint64_t iova, uint64_t last, struct gather *gather)
{
    pt_merge(&format, pt, iova, last, gather);
}

static void hand_back(struct pt *pt, const struct gather *gather, bool all)
{
    pt_hand_back(&format, pt, gather, all);
}

static bool lookup(struct pt *pt, uint64_t iova, struct pt_leaf *leaf)
{
    return pt_lookup(&format, pt, iova, leaf);
}

static void harvest(struct pt *pt, uint64_t iova, uint64_t last, struct dirty_bitmap *bitmap, unsigned flags,
                    struct gather *gather, struct harvest_stats *stats)
{
    pt_harvest(&format, pt, iova, last, bitmap, flags, gather, stats);
}

static void harvest_detached(const struct pt *pt, const struct gather *gather, struct dirty_bitmap *bitmap)
{
    pt_harvest_detached(&format, pt, gather, bitmap);
}

static void mark_walked(struct pt *pt, uint64_t iova, uint64_t last)
{
    pt_mark_walked(&format, pt, iova, last);
}

static void visit(struct pt *pt, uint64_t iova, uint64_t last,
                  bool (*call)(void *context, const struct pt_leaf *leaf), void *context)
{
    pt_visit(&format, pt, iova, last, call, context);
}

static void count(const struct pt *pt, uint64_t leaves[PT_LEAF_LEVELS])
{
    pt_count(&format, pt, leaves);
}

const struct pt_ops PT_INSTANCE = {
    .name = PT_NAME,
    .prot = PT_PROT,
    .map = map,
    .unlink = unlink,
    .unlink_empty = unlink_empty,
    .split = split,
    .merge = merge,
    .hand_back = hand_back,
    .lookup = lookup,
    .harvest = harvest,
    .harvest_detached = harvest_detached,
    .mark_walked = mark_walked,
    .visit = visit,
    .count = count,
};

#endif
