/* SPDX-License-Identifier: BSD-2-Clause */
/* The loops that are timed. Compiled once for each engine (pt_api.h), so that all run the same. */
#include "tests/bench/pt_side.h"
#include "tests/bench/pt_api.h"

#define TOP     3
#define ADDRESS 0x000ffffffffff000ull

static uint64_t sum; /* of what was looked up, so that it is looked up */

static uint64_t time_map(const struct pt_work *work)
{
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < work->calls; i++) {
        uint64_t iova = work->iova + i * work->stride;

        api_map(iova, work->bytes, BENCH_HPA + iova);
    }
    return bench_now_ns() - start;
}

static uint64_t time_unmap(const struct pt_work *work)
{
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < work->calls; i++)
        api_unmap(work->iova + i * work->stride, work->bytes);
    api_finish();
    return bench_now_ns() - start;
}

static uint64_t time_lookup(const uint64_t *iovas, unsigned n)
{
    uint64_t start = bench_now_ns(), seen = 0;

    for (unsigned i = 0; i < n; i++)
        seen += api_lookup(iovas[i]);
    __atomic_store_n(&sum, seen, __ATOMIC_RELAXED);
    return bench_now_ns() - start;
}

static uint64_t time_chained(const uint64_t *iovas, unsigned n)
{
    uint64_t start = bench_now_ns(), hpa = 0;

    for (unsigned i = 0; i < n; i++)
        hpa = api_lookup(iovas[i] + (hpa >> 52)); /* no address has these bits */
    __atomic_store_n(&sum, hpa, __ATOMIC_RELAXED);
    return bench_now_ns() - start;
}

static uint64_t time_harvest(uint64_t iova, uint64_t bytes, uint64_t *words, unsigned flags)
{
    uint64_t start = bench_now_ns();

    api_harvest(iova, bytes, words, flags);
    return bench_now_ns() - start;
}

static uint64_t *slot(uint64_t iova, unsigned level)
{
    uint64_t *table = api_root();

    for (unsigned at = TOP; at > level; at--)
        table = api_table(table[iova >> (12 + 9 * at) & 511] & ADDRESS);
    return &table[iova >> (12 + 9 * level) & 511];
}

static void map_neighbours(const struct pt_work *work)
{
    for (unsigned i = 0; i < work->neighbours; i++) {
        uint64_t iova = work->neighbour + ((uint64_t)i << 21);

        api_map(iova, 4096, BENCH_HPA + iova);
    }
}

static void unmap_neighbours(const struct pt_work *work)
{
    for (unsigned i = 0; i < work->neighbours; i++)
        api_unmap(work->neighbour + ((uint64_t)i << 21), 4096);
    api_finish();
}

const struct pt_side SIDE = {
    .make = api_make,
    .destroy = api_destroy,
    .map = time_map,
    .unmap = time_unmap,
    .map_neighbours = map_neighbours,
    .unmap_neighbours = unmap_neighbours,
    .lookup = time_lookup,
    .lookup_chained = time_chained,
    .find = api_lookup,
    .harvest = time_harvest,
    .slot = slot,
};
