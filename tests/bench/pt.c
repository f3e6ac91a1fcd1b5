/* SPDX-License-Identifier: BSD-2-Clause */
/* Our page tables against Linux's and a plain walker: `make bench PART=pt`. docs/bench.md says what the
 * numbers mean. */
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/bench/bench.h"
#include "tests/bench/pt_memory.h"
#include "tests/bench/pt_side.h"
#include <stdio.h>

#define ARENA (128 * MIB)

#define LOOKUPS        16384
#define LOOKUP_SAMPLES 61
#define QUICK_SAMPLES  3

static const struct pt_work works[] = {
    {"4k", GIB, PAGE_SIZE, PAGE_SIZE, 511, 1, GIB + 511 * PAGE_SIZE, true, false, 301},
    {"4k_alone", 0, PAGE_SIZE, 512 * GIB, 255, 0, 0, true, false, 61},
    {"4k_first", 0, PAGE_SIZE, 512 * GIB, 255, 0, 0, true, true, 61},
    {"512x4k", GIB, 2 * MIB, 2 * MIB, 64, 1, GIB + 128 * MIB, false, false, 201},
    {"511x4k_beside", GIB, 511 * PAGE_SIZE, 2 * MIB, 64, 64, GIB + 511 * PAGE_SIZE, false, false, 201},
    {"2m", GIB, 2 * MIB, 2 * MIB, 511, 1, GIB + 1022 * MIB, true, false, 301},
    {"1g_as_4k", GIB, GIB, GIB, 1, 1, 0, false, false, 101},
    {"1g", 512 * GIB, GIB, GIB, 255, 1, 768 * GIB, true, false, 301},
};

enum side_number { OURS, PLAIN, LINUX, SIDES };

static const struct pt_side *const sides[SIDES] = {&pt_ours, &pt_plain, &pt_linux};
static const char *const side_names[SIDES] = {"ours", "plain", "linux"};
static const char *const formats[BENCH_FORMATS] = {"vtdss", "x86_64", "ept"};

/* One thing that was done so often on each side, in nanoseconds a time. */
struct samples {
    double ns[SIDES][BENCH_RUNS_MAX];
};

static bool quick;

static unsigned make_all(enum bench_format format, bool large, const struct pt_work *work)
{
    unsigned made = 0;

    for (unsigned side = 0; side < SIDES; side++)
        if (sides[side] && sides[side]->make(format, large)) {
            made |= 1u << side;
            sides[side]->map_neighbours(work);
        }
    return made;
}

static void destroy_all(unsigned made, const struct pt_work *work)
{
    for (unsigned side = 0; side < SIDES; side++)
        if (made & 1u << side) {
            sides[side]->unmap_neighbours(work);
            sides[side]->destroy();
        }
}

/* What was mapped, or nothing. */
static void check(const struct pt_side *side, const struct pt_work *work, bool mapped)
{
    for (unsigned i = 0; i < work->calls; i++) {
        uint64_t iova = work->iova + i * work->stride;
        uint64_t last = iova + work->bytes - 1;

        if (side->find(iova) != (mapped ? BENCH_HPA + iova : BENCH_NO_HPA) ||
            side->find(last) != (mapped ? BENCH_HPA + last : BENCH_NO_HPA))
            bench_fail("what is mapped is not what should be");
    }
    for (unsigned i = 0; i < work->neighbours; i++)
        if (side->find(work->neighbour + i * 2 * MIB) == BENCH_NO_HPA)
            bench_fail("a neighbour is gone");
}

static void sample(const struct pt_side *side, const struct pt_work *work, double *map_ns, double *unmap_ns)
{
    *map_ns = (double)side->map(work) / work->calls;
    check(side, work, true);
    *unmap_ns = (double)side->unmap(work) / work->calls;
    check(side, work, false);
}

static void report(const char *format, const char *what, const char *work, unsigned made,
                   struct samples *samples, unsigned count)
{
    char name[64];

    for (unsigned side = PLAIN; side < SIDES; side++)
        if (made & 1u << side) {
            snprintf(name, sizeof name, "pt.%s.%s_%s.%s", format, what, work, side_names[side]);
            bench_report(name, samples->ns[OURS], samples->ns[side], count);
        }
}

/* The sides in turn, sample by sample. The first sample of each is not counted. */
static void run_work(enum bench_format format, const struct pt_work *work)
{
    static struct samples map, unmap;
    unsigned count = quick ? QUICK_SAMPLES : work->samples;
    unsigned made = make_all(format, work->large, work);

    for (unsigned i = 0; i <= count; i++)
        for (unsigned side = 0; side < SIDES; side++) {
            if (!(made & 1u << side))
                continue;
            sample(sides[side], work, &map.ns[side][i ? i - 1 : 0], &unmap.ns[side][i ? i - 1 : 0]);
            if (work->first) {
                sides[side]->destroy();
                (void)sides[side]->make(format, work->large);
            }
        }
    destroy_all(made, work);
    report(formats[format], "map", work->name, made, &map, count);
    report(formats[format], "unmap", work->name, made, &unmap, count);
}

/* The same addresses each time: xorshift, from a fixed seed. */
static void choose(uint64_t *iovas, uint64_t bytes)
{
    uint64_t x = 88172645463325252u;

    for (unsigned i = 0; i < LOOKUPS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        iovas[i] = x % bytes;
    }
}

/* Random addresses of a range that is mapped with one size of leaves. */
static void run_lookup(enum bench_format format, const char *name, uint64_t bytes, bool large)
{
    static struct samples any, chained;
    static uint64_t iovas[LOOKUPS];
    unsigned count = quick ? QUICK_SAMPLES : LOOKUP_SAMPLES;
    struct pt_work work = {.name = name, .bytes = bytes, .calls = 1};
    unsigned made = make_all(format, large, &work);

    choose(iovas, bytes);
    for (unsigned side = 0; side < SIDES; side++)
        if (made & 1u << side)
            (void)sides[side]->map(&work);
    for (unsigned i = 0; i <= count; i++)
        for (unsigned side = 0; side < SIDES; side++) {
            unsigned at = i ? i - 1 : 0;

            if (!(made & 1u << side))
                continue;
            any.ns[side][at] = (double)sides[side]->lookup(iovas, LOOKUPS) / LOOKUPS;
            chained.ns[side][at] = (double)sides[side]->lookup_chained(iovas, LOOKUPS) / LOOKUPS;
        }
    for (unsigned side = 0; side < SIDES; side++)
        if (made & 1u << side)
            (void)sides[side]->unmap(&work);
    destroy_all(made, &work);
    report(formats[format], "lookup", name, made, &any, count);
    report(formats[format], "lookup_chained", name, made, &chained, count);
}

static uint64_t pages_free_now(void)
{
    struct page_alloc_stats stats;

    page_alloc_stats(&stats);
    return stats.free_pages;
}

/* An argument makes a short run of it, which only shows that all work. */
int main(int argc, char **argv)
{
    uint64_t before;

    (void)argv;
    quick = argc > 1;
    bench_pin(0);
    bench_page_alloc_init(ARENA);
    rcu_cpu_online();
    before = pages_free_now();
    for (enum bench_format format = 0; format < BENCH_FORMATS; format++) {
        for (unsigned i = 0; i < ARRAY_SIZE(works); i++)
            run_work(format, &works[i]);
        run_lookup(format, "4k", GIB, false);
        run_lookup(format, "1g", 64 * GIB, true);
    }
    if (pages_free_now() != before)
        bench_fail("tables were lost");
    rcu_cpu_offline();
    return 0;
}
