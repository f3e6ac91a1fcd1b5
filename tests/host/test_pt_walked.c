/* SPDX-License-Identifier: BSD-2-Clause */
/* Pruned passes beside a device that keeps each table entry and each leaf for as long as it may, and that
 * comes in between at any access of the engine; passes and changes of the tree come in between each other
 * too. */
#include "lib/platform.h"
#include "lib/rcu.h"
#include "tests/host/accesses.h"
#include "tests/host/host.h"
#include "tests/host/pt_fixture.h"
#include <stdlib.h>
#include <string.h>

#define WINDOW       (2 * GIB)
#define WINDOW_PAGES (WINDOW / PAGE_SIZE)
#define REGION       (2 * MIB)
#define REGIONS      6u
#define PAGES        (REGIONS * PT_ENTRIES)
#define CACHED       12u
#define STEPS        6000u
#define LARGE        0x80u
#define ADDRESS      0x000ffffffffff000ull

/* On both sides of two tables of level 1, so that each has what is walked and what is not. */
static const uint64_t regions[REGIONS] = {BASE,       BASE + REGION,       BASE + GIB - REGION,
                                          BASE + GIB, BASE + GIB + REGION, BASE + 2 * GIB - REGION};

static uint64_t random_state;

static unsigned below(unsigned end)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % end;
}

static uint64_t iova_of(unsigned page)
{
    return regions[page / PT_ENTRIES] + page % PT_ENTRIES * PAGE_SIZE;
}

/* --- what was written, and what was said of it --- */

static bool owed[PAGES]; /* written, and not reported since */
static uint64_t found[WINDOW_PAGES / 64], carried[WINDOW_PAGES / 64], unmapped[WINDOW_PAGES / 64];
static bool owed_before[PAGES]; /* a pass that runs began, and not reported since */
static bool pass_runs, pass_clears;
static bool pass_must_have[PAGES];      /* an unmap beside it has not */
static uint64_t going_iova, going_last; /* what an unmap that runs reports, or a merge hands back */

static struct dirty_bitmap window_of(uint64_t *bits)
{
    return (struct dirty_bitmap){bits, BASE, BASE + WINDOW - 1};
}

static uint64_t bit_of(unsigned page)
{
    return (iova_of(page) - BASE) / PAGE_SIZE;
}

/* --- the device --- */

struct cached_table {
    uint64_t iova;  /* of what the entry translates */
    unsigned level; /* of the entry */
    uint64_t *table;
};

struct cached_leaf {
    uint64_t iova;
    unsigned level;
    bool dirty; /* as it knows: it sets nothing any more when it writes */
};

static struct cached_table tables[CACHED];
static struct cached_leaf leaves[CACHED];

static bool holds(uint64_t start, unsigned level, uint64_t iova)
{
    return iova >> PT_ENTRY_LG2(level) == start >> PT_ENTRY_LG2(level);
}

/* From the root, or from any table that it has for the address. */
static uint64_t *walk_begins_at(uint64_t iova, unsigned *level)
{
    unsigned i = below(CACHED);

    for (unsigned tries = (below(8) ? CACHED : 0); tries; tries--, i = (i + 1) % CACHED)
        if (tables[i].table && holds(tables[i].iova, tables[i].level, iova)) {
            *level = tables[i].level - 1;
            return tables[i].table;
        }
    *level = levels - 1;
    return pt.root;
}

static void walk(unsigned page, bool write)
{
    uint64_t iova = iova_of(page);
    unsigned level;

    for (uint64_t *table = walk_begins_at(iova, &level);; level--) {
        uint64_t *slot = &table[iova >> PT_ENTRY_LG2(level) & 511], entry = *slot;
        bool leaf = level == 0 || (level <= 2 && entry & LARGE);

        if (!(entry & format->present))
            return;
        *slot = entry |= format->accessed | (leaf && write ? format->dirty : 0);
        if (leaf) {
            owed[page] = owed[page] || write;
            leaves[below(CACHED)] = (struct cached_leaf){iova, level, entry & format->dirty};
            return;
        }
        table = phys_to_virt(entry & ADDRESS);
        tables[below(CACHED)] = (struct cached_table){iova, level, table};
    }
}

static void device_step(void)
{
    static unsigned busy; /* one region for a while, so that others are left out */
    unsigned page;
    bool write = below(2);

    busy = below(64) ? busy : below(REGIONS);
    page = busy * PT_ENTRIES + (below(4) ? below(4) : below(PT_ENTRIES));
    for (unsigned i = 0; i < CACHED; i++)
        if (leaves[i].iova && holds(leaves[i].iova, leaves[i].level, iova_of(page)) &&
            (leaves[i].dirty || !write)) {
            owed[page] = owed[page] || write;
            return;
        }
    walk(page, write);
}

/* What lies in the range must go, what reaches beyond it may; tables only if they are asked for. */
static void invalidate(const struct gather *gather)
{
    for (unsigned i = 0; i < CACHED && !gather_empty(gather); i++) {
        uint64_t start = align_down(tables[i].iova, PT_ENTRY_SIZE(tables[i].level));
        uint64_t last = start + PT_ENTRY_SIZE(tables[i].level) - 1;

        if (gather_has_tables(gather) && start >= gather->iova && last <= gather->last)
            tables[i].table = NULL;
        start = align_down(leaves[i].iova, PT_ENTRY_SIZE(leaves[i].level));
        last = start + PT_ENTRY_SIZE(leaves[i].level) - 1;
        if (last >= gather->iova && start <= gather->last)
            leaves[i].iova = 0;
    }
}

/* --- a pass --- */

static uint64_t pruned, audited, passes_failed;

/* Of passes that failed: each later one invalidates it too, as iommu/tracking.c does. */
static uint64_t unconfirmed_iova, unconfirmed_last;

static void forget_unconfirmed(void)
{
    unconfirmed_iova = ~0ull;
    unconfirmed_last = 0;
}

static unsigned pass_flags(void)
{
    switch (below(8)) {
    case 0:
        return 0;
    case 1:
        return HARVEST_PRUNE | HARVEST_KEEP;
    case 2:
        return HARVEST_PRUNE | HARVEST_AUDIT | HARVEST_AUDIT_SHARE(below(2) * 63);
    default:
        return HARVEST_PRUNE;
    }
}

static void pass_range(uint64_t *iova, uint64_t *last)
{
    unsigned region = below(REGIONS), page;

    *iova = BASE;
    *last = BASE + WINDOW - 1;
    switch (below(6)) {
    case 0: /* half of it */
        *iova += below(2) * GIB;
        *last = *iova + GIB - 1;
        break;
    case 1: /* whole tables */
        *iova = regions[region];
        *last = regions[region + below(REGIONS - region)] + REGION - 1;
        break;
    case 2: /* parts of them */
        page = region * PT_ENTRIES + below(PT_ENTRIES);
        *iova = iova_of(page);
        *last = iova_of(page + below(PAGES - page)) + PAGE_SIZE - 1;
        break;
    }
}

static bool in_range(unsigned page, uint64_t iova, uint64_t last)
{
    return iova_of(page) >= iova && iova_of(page) <= last;
}

/* What was written before the pass began is in its report, or in that of an unmap or merge that runs. */
static void report(uint64_t iova, uint64_t last)
{
    for (unsigned page = 0; page < PAGES; page++) {
        bool reported = bitmap_test(found, bit_of(page)) || bitmap_test(carried, bit_of(page));

        if (!in_range(page, iova, last))
            continue;
        if ((owed_before[page] && !in_range(page, going_iova, going_last)) || pass_must_have[page])
            assert_true(reported);
        if (pass_clears && reported) {
            owed[page] = false;
            bitmap_clear(carried, bit_of(page));
        }
    }
}

static void carry(const uint64_t *bits)
{
    for (unsigned i = 0; i < ARRAY_SIZE(carried); i++)
        carried[i] |= bits[i];
}

static void pass(void)
{
    struct dirty_bitmap to = window_of(found);
    struct harvest_stats stats = {0};
    uint64_t iova, last;
    unsigned flags = pass_flags();
    struct gather gather;

    pass_range(&iova, &last);
    memset(found, 0, sizeof found);
    memset(pass_must_have, 0, sizeof pass_must_have);
    memcpy(owed_before, owed, sizeof owed);
    pass_runs = true;
    pass_clears = !(flags & HARVEST_KEEP);
    gather_init(&gather);
    ops->harvest(&pt, iova, last, &to, flags, &gather, &stats);
    for (unsigned i = below(12); i; i--)
        device_step();
    pass_runs = false;
    pruned += stats.pruned;
    audited += stats.audited;
    assert_int_equal(stats.audit_dirty, 0);
    if (unconfirmed_iova <= unconfirmed_last && pass_clears) {
        gather_add_range(&gather, unconfirmed_iova, unconfirmed_last);
        gather_add_table_entries(&gather);
    }
    if (below(6) == 0 && !gather_empty(&gather)) {
        unconfirmed_iova = gather.iova;
        unconfirmed_last = gather.last;
        carry(found);
        ops->mark_walked(&pt, iova, last);
        passes_failed++;
        return;
    }
    invalidate(&gather);
    if (pass_clears)
        forget_unconfirmed();
    report(iova, last);
}

/* --- changes of the tree --- */

static void free_later(struct gather *gather, struct dirty_bitmap *dirty)
{
    invalidate(gather);
    gather_set_invalidated(gather);
    ops->harvest_detached(&pt, gather, dirty);
    gather_set_harvested(gather);
    (void)gather_free(gather, true);
}

static void check_unmapped(uint64_t iova, uint64_t last)
{
    for (unsigned page = 0; page < PAGES; page++) {
        if (!in_range(page, iova, last) || !owed[page])
            continue;
        if (bitmap_test(unmapped, bit_of(page)))
            owed[page] = owed_before[page] = false;
        else if (pass_runs && pass_clears)
            pass_must_have[page] = true;
        else
            assert_true(bitmap_test(carried, bit_of(page)));
    }
}

static void unmap_range(uint64_t iova, uint64_t last)
{
    struct dirty_bitmap to = window_of(unmapped);
    struct gather gather;

    memset(unmapped, 0, sizeof unmapped);
    gather_init(&gather);
    assert_int_equal(ops->unlink(&pt, iova, last, &gather, &to), 0);
    free_later(&gather, &to);
    while (gather.unlink_again) {
        ops->unlink_empty(&pt, iova, last, &gather);
        free_later(&gather, &to);
    }
    check_unmapped(iova, last);
}

static void merge_region(uint64_t iova, uint64_t last)
{
    struct gather gather;

    gather_init(&gather);
    ops->merge(&pt, iova, last, &gather);
    invalidate(&gather);
    gather_set_invalidated(&gather);
    ops->hand_back(&pt, &gather, false);
    gather_set_harvested(&gather);
    (void)gather_free(&gather, true);
}

static void split_region(uint64_t iova, uint64_t last)
{
    struct dirty_bitmap to = window_of(unmapped);
    struct gather gather;

    gather_init(&gather);
    assert_int_equal(ops->split(&pt, iova, last, 0, &gather), 0);
    free_later(&gather, &to);
}

static void map_range(uint64_t iova, uint64_t last)
{
    uint64_t end;

    pt.map_leaf_levels = below(2) ? 7 : 1;
    (void)ops->map(&pt, iova, last, HPA + iova - BASE, PT_READ | PT_WRITE, &end);
}

static void change(void)
{
    uint64_t iova = regions[below(REGIONS)], last = iova + REGION - 1;
    unsigned what = below(8);

    if (what < 3) {
        split_region(iova, last);
        return;
    }
    if (what == 4)
        last = iova + (1 + below(511)) * PAGE_SIZE - 1; /* the rest stays */
    going_iova = iova;
    going_last = last;
    if (what == 3) {
        merge_region(iova, last);
    } else {
        unmap_range(iova, last);
        map_range(iova, last);
    }
    going_iova = ~0ull;
    going_last = 0;
}

/* --- one in the middle of the other --- */

static void (*rival)(void);
static unsigned until_rival;

static void before_access(enum access access, const volatile uint64_t *entry)
{
    (void)access;
    (void)entry;
    if (below(64) == 0)
        device_step();
    if (!rival || until_rival--)
        return;
    host_set_cpu(1);
    rival();
    rcu_quiescent();
    host_set_cpu(0);
    rival = NULL;
}

static void step(void)
{
    bool passes = below(3);

    rival = below(2) ? passes ? change : pass : NULL;
    until_rival = below(below(2) ? 40 : 4000);
    accesses_watch(before_access);
    if (passes)
        pass();
    else
        change();
    accesses_watch(NULL);
    rcu_barrier();
}

static void others_pass(void)
{
    host_set_cpu(1);
    rcu_quiescent();
    host_set_cpu(0);
}

static void no_write_is_lost(void **state)
{
    (void)state;
    random_state = 0x9e3779b97f4a7c15ull + levels;
    memset(tables, 0, sizeof tables);
    memset(leaves, 0, sizeof leaves);
    memset(owed, 0, sizeof owed);
    memset(carried, 0, sizeof carried);
    going_iova = ~0ull;
    going_last = 0;
    forget_unconfirmed();
    pruned = audited = passes_failed = 0;
    host_set_cpu(1);
    rcu_cpu_online();
    host_set_cpu(0);
    host_set_relax(others_pass);
    tree_make(7, PT_PRUNES);
    for (unsigned i = 0; i < REGIONS; i++)
        map_range(regions[i], regions[i] + REGION - 1);
    for (unsigned i = 0; i < STEPS; i++) {
        for (unsigned n = below(8); n; n--)
            device_step();
        step();
    }
    assert_true(pruned > STEPS / 4);
    assert_true(audited > 0);
    assert_true(passes_failed > 0);
    host_set_cpu(1);
    rcu_cpu_offline();
    host_set_cpu(0);
    host_set_relax(NULL);
    tree_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_write_is_lost),
    };

    return pt_tests_run("pt_walked", tests, ARRAY_SIZE(tests));
}
