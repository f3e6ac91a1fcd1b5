/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine, compiled for x86 long mode. */
#include "lib/pt/fmt_x86_64.h"
#include "lib/pt/harvest.h"
#include "lib/pt/lookup.h"
#include "lib/pt/map.h"
#include "lib/pt/unlink.h"

static const struct pt_format format = {
    .accessed = X86_64_ACCESSED,
    .dirty = X86_64_DIRTY,
    .soft_flushed = X86_64_SOFT_FLUSHED,
    .table = x86_64_table,
    .leaf = x86_64_leaf,
    .is_present = x86_64_is_present,
    .is_leaf = x86_64_is_leaf,
    .address = x86_64_address,
    .prot = x86_64_prot,
};

static int map(struct pt *pt, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot, uint64_t *mapped_end)
{
    return pt_map(&format, pt, iova, last, hpa, prot, mapped_end);
}

static int unlink(struct pt *pt, uint64_t iova, uint64_t last, struct gather *gather,
                  struct dirty_bitmap *dirty)
{
    return pt_unlink(&format, pt, iova, last, gather, dirty);
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

static void mark_dirty(struct pt *pt, uint64_t iova, uint64_t last)
{
    pt_mark_dirty(&format, pt, iova, last);
}

static void visit(struct pt *pt, uint64_t iova, uint64_t last,
                  bool (*call)(void *context, const struct pt_leaf *leaf), void *context)
{
    pt_visit(&format, pt, iova, last, call, context);
}

const struct pt_ops pt_x86_64 = {
    .name = "x86_64",
    .map = map,
    .unlink = unlink,
    .lookup = lookup,
    .harvest = harvest,
    .harvest_detached = harvest_detached,
    .mark_dirty = mark_dirty,
    .visit = visit,
};
