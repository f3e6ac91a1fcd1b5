/* SPDX-License-Identifier: BSD-2-Clause */
/* The engines by one set of names: ours; with BENCH_PLAIN the plain walker; with BENCH_LINUX Linux's. */
#pragma once

#include "tests/bench/pt_side.h"

#if defined(BENCH_LINUX)

#include "tests/bench/pt_linux.h"
#define SIDE pt_linux

#elif defined(BENCH_PLAIN)

#include "lib/platform.h"
#include "tests/bench/plain_walker.h"
#define SIDE pt_plain

static struct plain_walker walker;

/* What it costs does not depend on which bits there are. */
static bool api_make(enum bench_format format, bool large)
{
    (void)format;
    plain_init(&walker, large);
    return true;
}

static void api_destroy(void)
{
    plain_destroy(&walker);
}

static inline void api_map(uint64_t iova, uint64_t bytes, uint64_t hpa)
{
    if (plain_map(&walker, iova, iova + bytes - 1, hpa))
        bench_fail("the plain walker cannot map");
}

static inline void api_unmap(uint64_t iova, uint64_t bytes)
{
    plain_unmap(&walker, iova, iova + bytes - 1);
}

static inline void api_finish(void)
{
}

static inline uint64_t api_lookup(uint64_t iova)
{
    return plain_lookup(&walker, iova);
}

static inline void api_harvest(uint64_t iova, uint64_t bytes, uint64_t *words, unsigned flags)
{
    plain_harvest(&walker, iova, iova + bytes - 1, words, flags & BENCH_KEEP);
}

static inline uint64_t *api_root(void)
{
    return walker.root;
}

static inline uint64_t *api_table(uint64_t hpa)
{
    return phys_to_virt(hpa);
}

#else

#include "lib/platform.h"
#include "lib/pt/pt.h"
#include "lib/rcu.h"
#define SIDE pt_ours

static const struct pt_ops *ops;
static struct pt pt;

static inline bool api_make(enum bench_format format, bool large)
{
    static const struct pt_ops *const formats[BENCH_FORMATS] = {
        [BENCH_VTDSS] = &pt_vtdss, [BENCH_X86_64] = &pt_x86_64, [BENCH_EPT] = &pt_ept};

    ops = formats[format];
    if (pt_init(&pt, 4, large ? 7 : 1, 48, PT_PRUNES))
        bench_fail("no memory for a tree");
    return true;
}

static inline void api_destroy(void)
{
    pt_destroy(&pt);
}

static inline void api_map(uint64_t iova, uint64_t bytes, uint64_t hpa)
{
    uint64_t end;

    if (ops->map(&pt, iova, iova + bytes - 1, hpa, PT_READ | PT_WRITE, &end))
        bench_fail("our engine cannot map");
}

static inline void settle(struct gather *gather)
{
    gather_set_invalidated(gather);
    gather_set_harvested(gather);
    (void)gather_free(gather, true);
}

/* As iommu/domain.c does, for a domain that frees by RCU, but for the invalidation. */
static inline void api_unmap(uint64_t iova, uint64_t bytes)
{
    struct gather gather;

    gather_init(&gather);
    if (ops->unlink(&pt, iova, iova + bytes - 1, &gather, NULL))
        bench_fail("our engine cannot unmap");
    settle(&gather);
    while (gather.unlink_again) {
        ops->unlink_empty(&pt, iova, iova + bytes - 1, &gather);
        settle(&gather);
    }
}

/* The tables that were detached go back to the allocator. */
static inline void api_finish(void)
{
    while (rcu_callbacks_pending())
        rcu_quiescent();
}

static inline uint64_t api_lookup(uint64_t iova)
{
    struct pt_leaf leaf;

    return ops->lookup(&pt, iova, &leaf) ? leaf.hpa + (iova - leaf.iova) : BENCH_NO_HPA;
}

static inline void api_harvest(uint64_t iova, uint64_t bytes, uint64_t *words, unsigned flags)
{
    /* Its first bit stands for iova, which is a multiple of 64 pages. */
    struct dirty_bitmap bitmap = {words + (iova >> PAGE_LG2) / 64, iova, iova + bytes - 1};
    unsigned how = (flags & BENCH_KEEP ? HARVEST_KEEP : 0u) | (flags & BENCH_PRUNE ? HARVEST_PRUNE : 0u);
    struct gather gather;

    gather_init(&gather);
    ops->harvest(&pt, iova, bitmap.last, &bitmap, how, &gather, NULL);
    settle(&gather);
}

static inline uint64_t *api_root(void)
{
    return pt.root;
}

static inline uint64_t *api_table(uint64_t hpa)
{
    return phys_to_virt(hpa);
}

#endif
