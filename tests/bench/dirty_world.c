/* SPDX-License-Identifier: BSD-2-Clause */
/* Trees to harvest, and the hardware that writes. */
#define _GNU_SOURCE
#include "tests/bench/dirty_world.h"
#include "lib/pt/fmt_vtdss.h"
#include "lib/pt/scan.h"
#include "lib/units.h"
#include "tests/bench/dirty_floor.h"
#include "tests/bench/pt_memory.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RANGE_WORDS (DIRTY_RANGE_PAGES / 64)
#define TOP         3

static uint64_t ranges_of(const struct dirty_world *world)
{
    return world->bytes >> DIRTY_RANGE_LG2;
}

static uint64_t bitmap_bytes(const struct dirty_world *world)
{
    return world->bytes / PAGE_SIZE / 8;
}

static void *get(uint64_t bytes)
{
    void *memory = aligned_alloc(2 * MIB, align_up(bytes, 2 * MIB));

    if (!memory)
        bench_fail("no memory");
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memset(memory, 0, bytes);
}

static void make_tree(struct dirty_world *world, enum dirty_engine engine)
{
    static const struct pt_side *const sides[DIRTY_ENGINES] = {&pt_ours, &pt_plain, &pt_linux};
    struct dirty_tree *tree = &world->trees[engine];
    struct pt_work all = {.bytes = world->bytes, .calls = 1};

    if (!sides[engine] || !sides[engine]->make(BENCH_VTDSS, false))
        return;
    tree->side = sides[engine];
    (void)tree->side->map(&all);
    tree->tables = get(ranges_of(world) * sizeof *tree->tables);
    for (uint64_t i = 0; i < ranges_of(world); i++)
        tree->tables[i] = tree->side->slot(i << DIRTY_RANGE_LG2, 0);
}

void dirty_choose_scan(void)
{
    pt_scan_select(__builtin_cpu_supports("avx2") ? PT_SCAN_AVX2 : PT_SCAN_PLAIN);
}

void dirty_world_make(struct dirty_world *world, uint64_t bytes)
{
    *world = (struct dirty_world){.bytes = bytes, .random = 88172645463325252u};
    for (enum dirty_engine engine = 0; engine < DIRTY_ENGINES; engine++)
        make_tree(world, engine);
    world->written = get(bitmap_bytes(world));
    world->found = get(bitmap_bytes(world));
    world->walked = get(ranges_of(world));
}

void dirty_world_destroy(struct dirty_world *world)
{
    struct pt_work all = {.bytes = world->bytes, .calls = 1};

    for (enum dirty_engine engine = 0; engine < DIRTY_ENGINES; engine++)
        if (world->trees[engine].side) {
            (void)world->trees[engine].side->unmap(&all);
            world->trees[engine].side->destroy();
            free(world->trees[engine].tables);
        }
    free(world->written);
    free(world->found);
    free(world->walked);
}

/* xorshift: below limit. */
static uint64_t any(struct dirty_world *world, uint64_t limit)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random % limit;
}

/* So many pages of [first, first + pages), each once. */
static void write_some(struct dirty_world *world, uint64_t first, uint64_t pages, uint64_t count)
{
    while (count) {
        uint64_t page = first + any(world, pages), bit = 1ull << page % 64;

        if (world->written[page / 64] & bit)
            continue;
        world->written[page / 64] |= bit;
        count--;
    }
}

void dirty_choose_pages(struct dirty_world *world, unsigned per_mille)
{
    uint64_t pages = world->bytes / PAGE_SIZE;

    memset(world->written, per_mille == 1000 ? 0xff : 0, bitmap_bytes(world));
    if (per_mille < 1000)
        write_some(world, 0, pages, pages * per_mille / 1000);
}

static bool is_touched(const struct dirty_world *world, uint64_t range)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < RANGE_WORDS; i++)
        seen |= world->written[range * RANGE_WORDS + i];
    return seen;
}

static void touch(struct dirty_world *world, uint64_t range)
{
    write_some(world, range * DIRTY_RANGE_PAGES, DIRTY_RANGE_PAGES, DIRTY_RANGE_WRITTEN);
}

void dirty_choose_far(struct dirty_world *world, uint64_t ranges)
{
    if (ranges == ranges_of(world)) {
        dirty_choose_near(world, ranges);
        return;
    }
    memset(world->written, 0, bitmap_bytes(world));
    while (ranges) {
        uint64_t range = any(world, ranges_of(world));

        if (is_touched(world, range))
            continue;
        touch(world, range);
        ranges--;
    }
}

void dirty_choose_near(struct dirty_world *world, uint64_t ranges)
{
    uint64_t first = ranges ? any(world, ranges_of(world) / ranges) * ranges : 0;

    memset(world->written, 0, bitmap_bytes(world));
    for (uint64_t i = 0; i < ranges; i++)
        touch(world, first + i);
}

/* A walk sets accessed all the way down, and a write dirty at its end. */
static void write_range(const struct dirty_world *world, const struct dirty_tree *tree, uint64_t range)
{
    for (unsigned level = 1; level <= TOP; level++)
        *tree->side->slot(range << DIRTY_RANGE_LG2, level) |= VTDSS_ACCESSED;
    for (unsigned i = 0; i < RANGE_WORDS; i++)
        for (uint64_t bits = world->written[range * RANGE_WORDS + i]; bits; bits &= bits - 1)
            tree->tables[range][i * 64 + (unsigned)__builtin_ctzll(bits)] |= VTDSS_ACCESSED | VTDSS_DIRTY;
}

static void flush(const struct dirty_world *world, const struct dirty_tree *tree)
{
    for (uint64_t i = 0; i < ranges_of(world); i++)
        floor_flush(tree->tables[i], PAGE_SIZE);
    for (unsigned level = 1; level <= TOP; level++)
        for (uint64_t iova = 0; iova < world->bytes; iova += PT_ENTRY_SIZE(level + 1))
            floor_flush(tree->side->slot(iova, level), PAGE_SIZE);
    floor_flush(world->found, bitmap_bytes(world));
}

void dirty_prepare(struct dirty_world *world, enum dirty_engine engine, bool from_memory)
{
    const struct dirty_tree *tree = &world->trees[engine];

    for (uint64_t range = 0; range < ranges_of(world); range++) {
        bool touched = is_touched(world, range);

        if (touched)
            write_range(world, tree, range);
        if (engine == DIRTY_OURS)
            world->walked[range] = (uint8_t)(world->walked[range] << 1 | touched);
    }
    if (world->lose)
        tree->tables[ranges_of(world) - 1][DIRTY_RANGE_PAGES - 1] &= ~VTDSS_DIRTY;
    memset(world->found, 0, bitmap_bytes(world));
    if (from_memory)
        flush(world, tree);
    else
        (void)floor_read(tree->tables, ranges_of(world));
}

void dirty_check(const struct dirty_world *world)
{
    if (memcmp(world->found, world->written, bitmap_bytes(world)))
        bench_fail("a harvest does not find the pages that were written, and no others");
}

uint64_t dirty_time(struct dirty_world *world, enum dirty_engine engine, const struct dirty_pass *pass)
{
    uint64_t ns;

    dirty_prepare(world, engine, pass->from_memory);
    ns = world->trees[engine].side->harvest(0, world->bytes, world->found, pass->flags);
    dirty_check(world);
    return ns;
}

void dirty_clear(struct dirty_world *world)
{
    for (enum dirty_engine engine = 0; engine < DIRTY_ENGINES; engine++)
        if (world->trees[engine].side)
            (void)world->trees[engine].side->harvest(0, world->bytes, world->found, 0);
}

uint64_t dirty_time_floor(struct dirty_world *world, bool from_memory)
{
    uint64_t start;

    dirty_prepare(world, DIRTY_OURS, from_memory);
    start = bench_now_ns();
    if (floor_read(world->trees[DIRTY_OURS].tables, ranges_of(world)) & VTDSS_DIRTY)
        bench_fail("a clean table is dirty");
    return bench_now_ns() - start;
}

uint64_t dirty_time_walked_floor(struct dirty_world *world, bool from_memory)
{
    const struct dirty_tree *tree = &world->trees[DIRTY_OURS];
    uint64_t **walked = get(ranges_of(world) * sizeof *walked), count = 0, start, ns, seen;

    dirty_prepare(world, DIRTY_OURS, from_memory);
    for (uint64_t range = 0; range < ranges_of(world); range++)
        if (world->walked[range] & 3)
            walked[count++] = tree->tables[range];
    start = bench_now_ns();
    seen = floor_read(walked, count);
    ns = bench_now_ns() - start;
    if (count && !(seen & VTDSS_READ))
        bench_fail("what a pruned pass looks at is no table of leaves");
    free(walked);
    (void)tree->side->harvest(0, world->bytes, world->found, 0);
    dirty_check(world);
    return ns;
}

uint64_t dirty_time_locked_floor(struct dirty_world *world, bool from_memory)
{
    uint64_t start;

    dirty_prepare(world, DIRTY_OURS, from_memory);
    start = bench_now_ns();
    floor_clear(world->trees[DIRTY_OURS].tables, ranges_of(world), VTDSS_DIRTY);
    return bench_now_ns() - start;
}

uint64_t dirty_time_plain_scan(struct dirty_world *world, const struct dirty_pass *pass)
{
    uint64_t ns;

    pt_scan_select(PT_SCAN_PLAIN);
    ns = dirty_time(world, DIRTY_OURS, pass);
    dirty_choose_scan();
    return ns;
}
