/* SPDX-License-Identifier: BSD-2-Clause */
/* Our harvest against Linux's, a plain walker's, and a loop that only reads: `make bench PART=dirty`.
 * docs/bench.md says what the numbers mean. */
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/bench/bench.h"
#include "tests/bench/dirty_world.h"
#include "tests/bench/pt_memory.h"
#include <stdio.h>
#include <string.h>

/* Caches, branch predictors, and what the last case left in table entries: a pass is like those before it
 * from the third on. */
#define WARM_UP 2

#define FAR_RANGES 64 /* touched wherever they lie, however much is mapped */

enum variant {
    OURS,
    UNPRUNED,
    PLAIN_SCAN,
    ONE_THREAD,
    PLAIN,
    LINUX,
    FLOOR,
    WALKED_FLOOR,
    LOCKED_FLOOR,
    VARIANTS
};

static const char *const variant_names[VARIANTS] = {
    "ours", "unpruned", "plain_scan", "one_thread", "plain", "linux", "floor", "walked_floor", "locked_floor",
};

struct size {
    const char *name;
    uint64_t bytes;
    unsigned samples;
};

/* Table pages of ours and of the plain walker, and of other things that the allocator keeps. */
#define ARENA(mapped) ((mapped) / 512 * 2 + (mapped) / 2048 + 64 * MIB)

static const struct size quick[] = {{"128m", 128 * MIB, 2}, {"1g", GIB, 2}};
static const struct size usual[] = {{"1g", GIB, 21}, {"4g", 4 * GIB, 11}, {"16g", 16 * GIB, 7}};
static const struct size huge[] = {{"64g", 64 * GIB, 5}, {"256g", 256 * GIB, 3}, {"1024g", 1024 * GIB, 3}};

static const struct {
    const char *name;
    unsigned per_mille;
} shares[] = {{"0pct", 0}, {"0.1pct", 1}, {"1pct", 10}, {"10pct", 100}, {"100pct", 1000}};

#define ONE_PER_CENT 2 /* of these */

static const char *const places[] = {"cache", "memory"};

/* One thing that is done by several variants, with what is written before each of them. */
struct work {
    char name[48];
    void (*choose)(struct dirty_world *world, uint64_t amount);
    uint64_t amount;
    bool choose_anew; /* each time */
    struct dirty_pass pass;
    unsigned variants; /* bits: which take part beside ours */
    unsigned samples;
};

static uint64_t time_variant(struct dirty_world *world, const struct work *work, enum variant variant)
{
    struct dirty_pass pass = work->pass, unpruned = pass;

    unpruned.flags &= ~(unsigned)BENCH_PRUNE;
    switch (variant) {
    case OURS:
        return work->variants & 1u << ONE_THREAD ? dirty_time_threads(world, &pass)
                                                 : dirty_time(world, DIRTY_OURS, &pass);
    case UNPRUNED:
    case ONE_THREAD:
        return dirty_time(world, DIRTY_OURS, &unpruned);
    case PLAIN_SCAN:
        return dirty_time_plain_scan(world, &pass);
    case PLAIN:
        return dirty_time(world, DIRTY_PLAIN, &unpruned);
    case LINUX:
        return dirty_time(world, DIRTY_LINUX, &unpruned);
    case FLOOR:
        return dirty_time_floor(world, pass.from_memory);
    case WALKED_FLOOR:
        return dirty_time_walked_floor(world, pass.from_memory);
    default:
        return dirty_time_locked_floor(world, pass.from_memory);
    }
}

static void run(struct dirty_world *world, const struct work *work)
{
    static double ns[VARIANTS][BENCH_RUNS_MAX];
    unsigned variants = work->variants | 1u << OURS;
    char name[64];

    if (!world->trees[DIRTY_LINUX].side)
        variants &= ~(1u << LINUX);
    work->choose(world, work->amount);
    for (unsigned i = 0; i < WARM_UP + work->samples; i++)
        for (enum variant variant = 0; variant < VARIANTS; variant++) {
            if (!(variants & 1u << variant))
                continue;
            if (work->choose_anew)
                work->choose(world, work->amount);
            ns[variant][i < WARM_UP ? 0 : i - WARM_UP] = (double)time_variant(world, work, variant);
        }
    for (enum variant variant = OURS + 1; variant < VARIANTS; variant++)
        if (variants & 1u << variant) {
            snprintf(name, sizeof name, "dirty.%s.%s", work->name, variant_names[variant]);
            bench_report(name, ns[OURS], ns[variant], work->samples);
        }
}

static void choose_pages(struct dirty_world *world, uint64_t per_mille)
{
    dirty_choose_pages(world, (unsigned)per_mille);
}

/* What is found by a pass that clears; and by one that does not, with the dirty pages left for the next. */
static void run_shares(struct dirty_world *world, const struct size *size, bool memory, bool keep)
{
    for (unsigned i = 0; i < ARRAY_SIZE(shares); i++) {
        struct work work = {
            .choose = choose_pages,
            .amount = shares[i].per_mille,
            .pass = {keep ? BENCH_KEEP : 0, memory},
            .variants = 1u << PLAIN_SCAN | 1u << PLAIN | 1u << LINUX,
            .samples = size->samples,
        };

        if (!keep && shares[i].per_mille == 0)
            work.variants |= 1u << FLOOR;
        if (!keep && shares[i].per_mille == 1000)
            work.variants |= 1u << LOCKED_FLOOR;
        snprintf(work.name, sizeof work.name, "%s.%s.%s.%s", size->name, places[memory],
                 keep ? "keep" : "clear", shares[i].name);
        run(world, &work);
        if (keep)
            dirty_clear(world);
    }
}

/* A share of all ranges is touched before each pass: each time others (touched), or always the same (hot). */
static void run_touched(struct dirty_world *world, const struct size *size, bool memory, unsigned share,
                        bool hot)
{
    struct work work = {
        .choose = dirty_choose_far,
        .amount = ((size->bytes >> DIRTY_RANGE_LG2) * shares[share].per_mille + 999) / 1000,
        .choose_anew = !hot,
        .pass = {BENCH_PRUNE, memory},
        .variants = 1u << UNPRUNED | 1u << PLAIN | 1u << LINUX | 1u << WALKED_FLOOR,
        .samples = size->samples,
    };

    snprintf(work.name, sizeof work.name, "%s.%s.%s_%s", size->name, places[memory], hot ? "hot" : "touched",
             shares[share].name);
    run(world, &work);
}

/* The same number of ranges, however much is mapped; and two threads. */
static void run_sizes(struct dirty_world *world, const struct size *size)
{
    struct work work = {
        .choose = dirty_choose_far,
        .amount = FAR_RANGES,
        .choose_anew = true,
        .pass = {BENCH_PRUNE, true},
        .variants = 1u << UNPRUNED | 1u << PLAIN | 1u << LINUX | 1u << WALKED_FLOOR,
        .samples = size->samples,
    };

    snprintf(work.name, sizeof work.name, "%s.memory.far_%d", size->name, FAR_RANGES);
    run(world, &work);
    work.choose = dirty_choose_near;
    snprintf(work.name, sizeof work.name, "%s.memory.near_%d", size->name, FAR_RANGES);
    run(world, &work);
    work.amount = 0;
    snprintf(work.name, sizeof work.name, "%s.memory.untouched", size->name);
    run(world, &work);
    work.pass.flags = 0;
    work.variants = 1u << ONE_THREAD | 1u << FLOOR;
    snprintf(work.name, sizeof work.name, "%s.memory.two_threads", size->name);
    run(world, &work);
}

static void run_size(const struct size *size, bool all, bool lose)
{
    struct dirty_world world;

    dirty_world_make(&world, size->bytes);
    world.lose = lose;
    for (unsigned memory = 0; all && memory <= 1; memory++) {
        run_shares(&world, size, memory, false);
        run_shares(&world, size, memory, true);
        for (unsigned i = 0; i < ARRAY_SIZE(shares); i++)
            run_touched(&world, size, memory, i, false);
        run_touched(&world, size, memory, ONE_PER_CENT, true);
    }
    run_sizes(&world, size);
    dirty_world_destroy(&world);
}

/* An argument chooses another list of sizes: quick, which only shows that all work, or huge. And lose is
 * quick with hardware that loses a page, which has to be noticed. */
int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    bool lose = !strcmp(what, "lose");
    const struct size *sizes = lose || !strcmp(what, "quick") ? quick : strcmp(what, "huge") ? usual : huge;
    unsigned count = sizes == quick ? ARRAY_SIZE(quick) : ARRAY_SIZE(usual);

    bench_pin(0);
    bench_page_alloc_init(align_up(ARENA(sizes[count - 1].bytes), 2 * MIB));
    rcu_cpu_online();
    dirty_choose_scan();
    for (unsigned i = 0; i < count; i++)
        run_size(&sizes[i], sizes != huge, lose);
    rcu_cpu_offline();
    return 0;
}
