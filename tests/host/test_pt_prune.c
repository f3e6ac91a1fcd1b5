/* SPDX-License-Identifier: BSD-2-Clause */
/* Pruned passes: what they leave out, and that it is never something dirty. */
#include "lib/platform.h"
#include "lib/pt/format.h"
#include "tests/host/pt_fixture.h"
#include <stdlib.h>
#include <string.h>

#define WALKED  PT_SOFT_WALKED
#define PAGE(n) (BASE + (n)*PAGE_SIZE)
#define REGION  (2 * MIB)
#define REGIONS 8u
#define MAPPED  (REGIONS * 512u)
#define STEPS   20000u

/* A pass whose invalidation completes; *gathered (may be NULL) is what that was to be. */
static struct harvest_stats pass_gathering(uint64_t iova, uint64_t bytes, unsigned flags,
                                           struct gather *gathered)
{
    struct harvest_stats stats = {0};
    struct gather gather;

    memset(words, 0, sizeof words);
    gather_init(&gather);
    ops->harvest(&pt, iova, iova + bytes - 1, &bitmap, flags, &gather, &stats);
    if (gathered)
        *gathered = gather;
    return stats;
}

static struct harvest_stats pass(unsigned flags)
{
    return pass_gathering(BASE, 64 * MIB, flags, NULL);
}

/* 64 MiB in small leaves. */
static void make_small(unsigned flags)
{
    tree_make(1, PT_PRUNES | flags);
    assert_int_equal(map(BASE, 64 * MIB, HPA), 0);
}

static void what_nobody_walked_is_left_out(void **state)
{
    struct harvest_stats stats;

    (void)state;
    make_small(0);
    stats = pass(HARVEST_PRUNE);
    assert_int_equal(stats.tables, 0);
    assert_int_equal(stats.pruned, 1); /* the whole GiB */
    device_access(PAGE(700), true);
    stats = pass(HARVEST_PRUNE);
    assert_int_equal(stats.tables, 1);
    assert_int_equal(stats.pruned, 31);
    assert_int_equal(bits_set(), 1);
    assert_true(bitmap_test(words, 700));
    stats = pass(HARVEST_PRUNE); /* by what was cached until the last one's invalidation */
    assert_int_equal(stats.tables, 1);
    assert_int_equal(bits_set(), 0);
    stats = pass(HARVEST_PRUNE);
    assert_int_equal(stats.tables, 0);
    stats = pass(0);
    assert_int_equal(stats.tables, 32);
    assert_int_equal(stats.pruned, 0);
    tree_free();
}

static void what_was_written_by_a_cached_table_is_found(void **state)
{
    (void)state;
    make_small(0);
    device_access(PAGE(3), false);
    (void)pass(HARVEST_PRUNE);
    /* Before that pass's invalidation. */
    write_by_cached_table(PAGE(3));
    (void)pass(HARVEST_PRUNE);
    assert_true(bitmap_test(words, 3));
    tree_free();
}

static void a_pass_invalidates_the_way_that_it_says_nobody_walked(void **state)
{
    struct gather gather;

    (void)state;
    make_small(0);
    device_access(PAGE(3), false);
    (void)pass_gathering(BASE, 64 * MIB, HARVEST_PRUNE, &gather);
    assert_true(gather_has_tables(&gather));
    assert_int_equal(gather.iova, BASE);
    assert_int_equal(gather.last, BASE + 2 * MIB - 1);
    (void)pass_gathering(BASE, 64 * MIB, HARVEST_PRUNE, &gather);
    assert_true(gather_empty(&gather));
    tree_free();
}

static void what_reaches_beyond_the_range_keeps_its_bits(void **state)
{
    uint64_t entry;

    (void)state;
    make_small(0);
    device_access(PAGE(3), true);
    entry = *slot_at(BASE, 1);
    (void)pass_gathering(BASE, MIB, HARVEST_PRUNE, NULL);
    assert_int_equal(bits_set(), 1);
    assert_int_equal(*slot_at(BASE, 1), entry);
    (void)pass(HARVEST_PRUNE | HARVEST_KEEP);
    assert_int_equal(*slot_at(BASE, 1), entry);
    assert_true(*slot_at(BASE, 2) & format->accessed); /* 1 GiB: beyond any range of these */
    (void)pass(HARVEST_PRUNE);
    assert_int_equal(*slot_at(BASE, 1), (entry & ~format->accessed) | WALKED);
    tree_free();
}

static void upper_entries_are_left_out_too(void **state)
{
    struct harvest_stats stats = {0};
    struct gather gather;

    (void)state;
    tree_make(3, PT_PRUNES);
    bitmap.last = BASE + 4 * GIB - 1;
    bitmap.words = calloc(4 * GIB / PAGE_SIZE / 64, sizeof(uint64_t));
    assert_int_equal(map(BASE, 4 * GIB, HPA), 0);
    device_access(BASE + GIB, true);
    for (unsigned i = 0; i < 2; i++) {
        gather_init(&gather);
        ops->harvest(&pt, BASE, BASE + 4 * GIB - 1, &bitmap, HARVEST_PRUNE, &gather, &stats);
        assert_int_equal(stats.pruned, (i + 1) * (3 + 504)); /* and clean lines of large leaves */
        assert_int_equal(stats.dirty, 1);
    }
    assert_int_equal(stats.entries, 2 * 8);
    gather_init(&gather);
    ops->harvest(&pt, BASE, BASE + 4 * GIB - 1, &bitmap, HARVEST_PRUNE, &gather, &stats);
    assert_int_equal(stats.pruned, 2 * (3 + 504) + 4);
    free(bitmap.words);
    tree_free();
}

static void a_split_is_looked_at(void **state)
{
    struct gather gather;

    (void)state;
    tree_make(7, PT_PRUNES);
    assert_int_equal(map(BASE, 2 * MIB, HPA), 0);
    (void)pass(HARVEST_PRUNE);
    device_access(BASE, true);
    /* A pass has gone by above, and has not come to the leaf yet. */
    for (unsigned level = 2; level < levels; level++)
        *slot_at(BASE, level) &= ~(format->accessed | WALKED);
    gather_init(&gather);
    assert_int_equal(ops->split(&pt, BASE, BASE + 2 * MIB - 1, 0, &gather), 0);
    (void)settle(&gather, NULL);
    assert_true(*slot_at(BASE, 1) & WALKED);
    tree_free();
}

/* With a walk that has made the large leaf dirty and has still to set A on the way to it, or without. */
static void merge_what_is_dirty(bool walk_in_flight)
{
    struct gather gather;
    uint64_t *small;

    tree_make(7, PT_PRUNES);
    for (unsigned page = 0; page < 512; page++)
        assert_int_equal(map(PAGE(page), PAGE_SIZE, HPA + page * PAGE_SIZE), 0);
    (void)pass(HARVEST_PRUNE);
    small = slot_at(PAGE(3), 0);
    gather_init(&gather);
    if (!walk_in_flight)
        write_by_cached_table(PAGE(3));
    ops->merge(&pt, BASE, BASE + 2 * MIB - 1, &gather);
    assert_int_equal(level_at(BASE), 1);
    if (walk_in_flight) {
        *small |= format->dirty;
        *slot_at(BASE, 1) |= format->dirty;
    }
    assert_int_equal(settle_merge(&gather), 1);
    for (unsigned level = 2; level < levels; level++)
        assert_true(*slot_at(BASE, level) & WALKED);
    tree_free();
}

static void a_merge_of_what_is_dirty_is_looked_at(void **state)
{
    (void)state;
    merge_what_is_dirty(false);
    merge_what_is_dirty(true);
}

static void after_a_failed_pass_two_leave_nothing_out(void **state)
{
    (void)state;
    make_small(0);
    device_access(PAGE(3), true);
    for (unsigned i = 0; i < 3; i++)
        (void)pass(HARVEST_PRUNE);
    assert_int_equal(pass(HARVEST_PRUNE).tables, 0);
    ops->mark_walked(&pt, BASE, BASE + 64 * MIB - 1);
    assert_int_equal(pass(HARVEST_PRUNE).tables, 32);
    write_by_cached_table(
        PAGE(900)); /* before the pass's invalidation: that of the failed one did not come */
    assert_int_equal(pass(HARVEST_PRUNE).tables, 32);
    assert_int_equal(bits_set(), 1);
    assert_int_equal(pass(HARVEST_PRUNE).tables, 0);
    tree_free();
}

static void an_audit_looks_at_one_share_of_what_is_left_out(void **state)
{
    unsigned flags = HARVEST_PRUNE | HARVEST_AUDIT, share = BASE / (2 * MIB) % 64 + 5;
    struct harvest_stats stats;

    (void)state;
    make_small(0);
    write_by_cached_table(PAGE(5 * 512 + 7)); /* hardware that caches without accessed */
    stats = pass(flags | HARVEST_AUDIT_SHARE(share + 1));
    assert_int_equal(stats.audited, 1);
    assert_int_equal(stats.pruned, 31);
    assert_int_equal(stats.audit_dirty, 0);
    stats = pass(flags | HARVEST_AUDIT_SHARE(share + 40)); /* of no table here */
    assert_int_equal(stats.audited, 0);
    stats = pass(flags | HARVEST_AUDIT_SHARE(share));
    assert_int_equal(stats.audited, 1);
    assert_int_equal(stats.audit_dirty, 1);
    assert_int_equal(bits_set(), 1);
    device_access(PAGE(5 * 512 + 7), true);
    stats = pass(flags | HARVEST_AUDIT_SHARE(share)); /* would not have been left out */
    assert_int_equal(stats.audited, 0);
    assert_int_equal(stats.audit_dirty, 0);
    assert_int_equal(bits_set(), 1);
    tree_free();
}

static void a_tree_that_cannot_be_pruned_is_not(void **state)
{
    uint64_t entry;

    (void)state;
    tree_make(1, 0);
    assert_int_equal(map(BASE, 64 * MIB, HPA), 0);
    device_access(PAGE(3), true);
    entry = *slot_at(BASE, 1);
    assert_int_equal(pass(HARVEST_PRUNE).tables, 32);
    assert_int_equal(*slot_at(BASE, 1), entry);
    ops->mark_walked(&pt, BASE, BASE + 64 * MIB - 1);
    assert_int_equal(*slot_at(BASE + 2 * MIB, 1) & format->accessed, 0);
    tree_free();
}

/* --- a device that has tables cached for as long as it may --- */

static bool cached[REGIONS]; /* the table of level 0 */
static bool cached_above;    /* that of level 1 */
static bool owed[MAPPED];    /* written, and in no pass yet */
static uint64_t random_state;

static unsigned random_below(unsigned end)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % end;
}

static void walk(unsigned page, bool write)
{
    device_access(PAGE(page), write);
    owed[page] = owed[page] || write;
    cached_above = true;
    cached[page / 512] = level_at(PAGE(page)) == 0;
}

/* By the lowest table that it has; from the root if it has none. */
static void write_page(unsigned page)
{
    unsigned level = level_at(PAGE(page)) == 0 && cached[page / 512] ? 0 : 1;
    uint64_t table, hpa;

    if (level && !cached_above) {
        walk(page, true);
        return;
    }
    table = virt_to_phys(slot_at(PAGE(page), level)) & ~(PAGE_SIZE - 1);
    assert_true(tree_access_from(format, &tree_through_cache, table, level, PAGE(page), true, &hpa));
    owed[page] = true;
}

static void invalidate(const struct gather *gather)
{
    for (unsigned i = 0; i < REGIONS && gather_has_tables(gather); i++)
        if (BASE + i * REGION <= gather->last && BASE + (i + 1) * REGION > gather->iova)
            cached[i] = cached_above = false;
}

static void random_pass(void)
{
    static const unsigned flags[] = {0, HARVEST_PRUNE, HARVEST_PRUNE, HARVEST_PRUNE,
                                     HARVEST_PRUNE | HARVEST_KEEP};
    unsigned first = random_below(3) ? 0 : random_below(MAPPED);
    unsigned count = first ? 1 + random_below(MAPPED - first) : MAPPED, flag = random_below(5);
    struct gather gather;

    (void)pass_gathering(PAGE(first), count * PAGE_SIZE, flags[flag], &gather);
    for (unsigned page = first; page < first + count; page++) {
        assert_true(!owed[page] || bitmap_test(words, page));
        owed[page] = owed[page] && flags[flag] & HARVEST_KEEP;
    }
    for (unsigned i = random_below(3); i; i--)
        write_page(random_below(MAPPED));
    if (!random_below(16)) /* it fails */
        ops->mark_walked(&pt, PAGE(first), PAGE(first + count) - 1);
    else
        invalidate(&gather);
}

static void random_change(void)
{
    uint64_t iova = BASE + random_below(REGIONS) * REGION;
    struct gather gather;

    gather_init(&gather);
    if (random_below(2))
        assert_int_equal(ops->split(&pt, iova, iova + REGION - 1, 0, &gather), 0);
    else
        ops->merge(&pt, iova, iova + REGION - 1, &gather);
    invalidate(&gather);
    (void)settle(&gather, NULL);
}

static void no_write_is_lost(void **state)
{
    uint64_t pruned = 0;

    (void)state;
    random_state = 0x9e3779b97f4a7c15ull + levels;
    memset(cached, 0, sizeof cached);
    memset(owed, 0, sizeof owed);
    cached_above = false;
    tree_make(3, PT_PRUNES);
    assert_int_equal(map(BASE, MAPPED * PAGE_SIZE, HPA), 0);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned choice = random_below(16);

        if (choice < 6)
            walk(random_below(MAPPED), random_below(2));
        else if (choice < 10)
            write_page(random_below(MAPPED));
        else if (choice < 15)
            random_pass();
        else
            random_change();
        if (step % 64 == 0) {
            struct harvest_stats stats = {0};
            struct gather gather;

            gather_init(&gather);
            ops->harvest(&pt, BASE, PAGE(MAPPED) - 1, &bitmap, HARVEST_PRUNE | HARVEST_KEEP, &gather, &stats);
            pruned += stats.pruned;
        }
    }
    assert_true(pruned > STEPS / 64);
    tree_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_walked_is_left_out),
        cmocka_unit_test(what_was_written_by_a_cached_table_is_found),
        cmocka_unit_test(a_pass_invalidates_the_way_that_it_says_nobody_walked),
        cmocka_unit_test(what_reaches_beyond_the_range_keeps_its_bits),
        cmocka_unit_test(upper_entries_are_left_out_too),
        cmocka_unit_test(a_split_is_looked_at),
        cmocka_unit_test(a_merge_of_what_is_dirty_is_looked_at),
        cmocka_unit_test(after_a_failed_pass_two_leave_nothing_out),
        cmocka_unit_test(an_audit_looks_at_one_share_of_what_is_left_out),
        cmocka_unit_test(a_tree_that_cannot_be_pruned_is_not),
        cmocka_unit_test(no_write_is_lost),
    };

    return pt_tests_run("pt_prune", tests, ARRAY_SIZE(tests));
}
