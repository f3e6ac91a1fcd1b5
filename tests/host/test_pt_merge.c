/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table engine: merge. */
#include "lib/pt/walk.h"
#include "tests/host/pt_fixture.h"

#define LARGE_HPA (4 * GIB)

/* A tree in which [BASE, BASE + bytes) is mapped by 4 KiB leaves. */
static void make_small(unsigned leaf_levels, uint64_t bytes, uint64_t hpa, unsigned prot)
{
    tree_make(leaf_levels, 0);
    for (uint64_t at = 0; at < bytes; at += MIB)
        assert_int_equal(map_as(BASE + at, MIB, hpa + at, prot), 0);
    assert_int_equal(level_at(BASE), 0);
}

/* Merges, and says how many tables went. */
static uint64_t merge(uint64_t iova, uint64_t bytes)
{
    struct gather gather;

    gather_init(&gather);
    ops->merge(&pt, iova, iova + bytes - 1, &gather);
    assert_int_equal(gather_empty(&gather), !gather_has_tables(&gather));
    return settle_merge(&gather);
}

static void alike_leaves_become_one(void **state)
{
    struct gather gather;
    struct pt_leaf leaf;

    (void)state;
    make_small(7, 4 * MIB, HPA, PT_READ | PT_WRITE);
    gather_init(&gather);
    ops->merge(&pt, BASE, BASE + 4 * MIB - 1, &gather);
    assert_int_equal(gather.iova, BASE);
    assert_int_equal(gather.last, BASE + 4 * MIB - 1);
    assert_int_equal(settle_merge(&gather), 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(ops->lookup(&pt, BASE + i * 2 * MIB, &leaf));
        assert_int_equal(leaf.level, 1);
        assert_int_equal(leaf.hpa, HPA + i * 2 * MIB);
        assert_int_equal(leaf.prot, PT_READ | PT_WRITE);
        assert_false(leaf.dirty);
    }
    assert_int_equal(pt.tables, levels - 1);
    tree_free();
}

static void what_is_merged_merges_again(void **state)
{
    struct tree_leaf leaf;

    (void)state;
    make_small(7, GIB, LARGE_HPA, PT_READ);
    device_access(BASE + 12345 * PAGE_SIZE, false);
    assert_int_equal(merge(BASE, GIB), 513);
    assert_int_equal(level_at(BASE), 2);
    assert_true(tree_find(format, &tree_through_cache, &pt, BASE + GIB - 1, &leaf));
    assert_int_equal(leaf.hpa, LARGE_HPA + GIB - 1);
    assert_int_equal(leaf.entry & (format->write | format->dirty), 0);
    assert_int_equal(leaf.entry & format->accessed, format->accessed);
    assert_int_equal(merge(BASE, GIB), 0);
    tree_free();
}

static void a_tree_merges_into_the_leaves_that_it_may_have(void **state)
{
    (void)state;
    make_small(1, 2 * MIB, HPA, PT_READ);
    assert_int_equal(merge(BASE, 2 * MIB), 0);
    tree_free();
    make_small(3, GIB, LARGE_HPA, PT_READ);
    assert_int_equal(merge(BASE, GIB), 512);
    assert_int_equal(level_at(BASE), 1);
    tree_free();
}

static void one_dirty_page_makes_the_large_leaf_dirty(void **state)
{
    static const unsigned pages[] = {0, 200, 511};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        make_small(7, 2 * MIB, HPA, PT_READ | PT_WRITE);
        device_access(BASE + pages[i] * PAGE_SIZE, true);
        assert_int_equal(merge(BASE, 2 * MIB), 1);
        assert_true(dirty_at(BASE));
        assert_int_equal(harvest(BASE, 2 * MIB, 0).dirty, 1);
        assert_int_equal(bits_set(), 512);
        tree_free();
    }
}

/* A unit that has the address of the table of level 0 cached writes by it, and was not invalidated yet. */
static void write_by(uint64_t table, uint64_t iova)
{
    uint64_t hpa;

    assert_true(tree_access_from(format, &tree_through_cache, table, 0, iova, true, &hpa));
    assert_int_equal(hpa, LARGE_HPA + (iova - BASE));
}

static uint64_t table_of(uint64_t iova)
{
    struct tree_leaf cached;

    assert_true(tree_find(format, &tree_through_cache, &pt, iova, &cached));
    return align_down(virt_to_phys(cached.slot), PAGE_SIZE);
}

static void a_write_through_the_old_table_is_handed_back(void **state)
{
    const uint64_t written = BASE + 2 * MIB + 77 * PAGE_SIZE;
    struct gather gather;
    uint64_t table;

    (void)state;
    make_small(7, 4 * MIB, LARGE_HPA, PT_READ | PT_WRITE);
    table = table_of(written);
    gather_init(&gather);
    ops->merge(&pt, BASE, BASE + 4 * MIB - 1, &gather);
    write_by(table, written);
    assert_int_equal(harvest(BASE, 4 * MIB, 0).dirty, 0);
    assert_int_equal(settle_merge(&gather), 2);
    assert_false(dirty_at(BASE));
    assert_true(dirty_at(BASE + 2 * MIB));
    tree_free();
}

static void a_write_is_handed_back_two_levels_up(void **state)
{
    const uint64_t written = BASE + 300 * 2 * MIB + 77 * PAGE_SIZE;
    struct gather gather;
    uint64_t table;

    (void)state;
    make_small(7, GIB, LARGE_HPA, PT_READ | PT_WRITE);
    table = table_of(written);
    gather_init(&gather);
    ops->merge(&pt, BASE, BASE + GIB - 1, &gather);
    assert_int_equal(level_at(BASE), 2);
    write_by(table, written);
    assert_int_equal(settle_merge(&gather), 513);
    assert_true(dirty_at(BASE));
    tree_free();
}

/* Nobody knows what units that did not confirm write. */
static void without_an_invalidation_all_that_was_merged_is_dirty(void **state)
{
    struct gather gather;

    (void)state;
    make_small(7, 6 * MIB, LARGE_HPA, PT_READ | PT_WRITE);
    gather_init(&gather);
    ops->merge(&pt, BASE, BASE + 4 * MIB - 1, &gather);
    ops->hand_back(&pt, &gather, true);
    assert_true(dirty_at(BASE));
    assert_true(dirty_at(BASE + 2 * MIB));
    assert_false(dirty_at(BASE + 4 * MIB));
    (void)settle(&gather, NULL);
    tree_free();
}

/* Each of these makes 2 MiB that are not one. */
static void other_leaves_do_not_merge(void **state)
{
    static const unsigned pages[] = {0, 1, 300, 511};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        uint64_t at = pages[i] * PAGE_SIZE;

        make_small(7, 2 * MIB, HPA, PT_READ | PT_WRITE);
        assert_int_equal(unmap(BASE + at, PAGE_SIZE, NULL, NULL), 0);
        assert_int_equal(merge(BASE, 2 * MIB), 0); /* a hole */
        assert_int_equal(map(BASE + at, PAGE_SIZE, HPA + 8 * MIB), 0);
        assert_int_equal(merge(BASE, 2 * MIB), 0); /* another page */
        assert_int_equal(unmap(BASE + at, PAGE_SIZE, NULL, NULL), 0);
        assert_int_equal(map_as(BASE + at, PAGE_SIZE, HPA + at, PT_READ), 0);
        assert_int_equal(merge(BASE, 2 * MIB), 0); /* another permission */
        assert_int_equal(unmap(BASE + at, PAGE_SIZE, NULL, NULL), 0);
        assert_int_equal(map(BASE + at, PAGE_SIZE, HPA + at), 0);
        assert_int_equal(merge(BASE, 2 * MIB), 1);
        tree_free();
    }
    make_small(7, 2 * MIB, HPA + PAGE_SIZE, PT_READ | PT_WRITE); /* not aligned */
    assert_int_equal(merge(BASE, 2 * MIB), 0);
    tree_free();
}

static void a_range_that_holds_only_a_part_merges_nothing(void **state)
{
    (void)state;
    make_small(7, 2 * MIB, HPA, PT_READ);
    assert_int_equal(merge(BASE + PAGE_SIZE, 2 * MIB - PAGE_SIZE), 0);
    assert_int_equal(merge(BASE, 2 * MIB - PAGE_SIZE), 0);
    assert_int_equal(merge(BASE - GIB, 2 * GIB), 1); /* with holes around it */
    tree_free();
}

static void a_split_can_be_taken_back(void **state)
{
    struct gather gather;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, GIB, LARGE_HPA), 0);
    gather_init(&gather);
    assert_int_equal(ops->split(&pt, BASE, BASE + GIB - 1, 0, &gather), 0);
    assert_int_equal(merge(BASE, GIB), 513);
    assert_int_equal(level_at(BASE), 2);
    assert_int_equal(pt.tables, levels - 2);
    tree_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alike_leaves_become_one),
        cmocka_unit_test(what_is_merged_merges_again),
        cmocka_unit_test(a_tree_merges_into_the_leaves_that_it_may_have),
        cmocka_unit_test(one_dirty_page_makes_the_large_leaf_dirty),
        cmocka_unit_test(a_write_through_the_old_table_is_handed_back),
        cmocka_unit_test(a_write_is_handed_back_two_levels_up),
        cmocka_unit_test(without_an_invalidation_all_that_was_merged_is_dirty),
        cmocka_unit_test(other_leaves_do_not_merge),
        cmocka_unit_test(a_range_that_holds_only_a_part_merges_nothing),
        cmocka_unit_test(a_split_can_be_taken_back),
    };

    return pt_tests_run("pt_merge", tests, ARRAY_SIZE(tests));
}
