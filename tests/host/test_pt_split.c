/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table engine: split, and unmaps that cut large leaves. */
#include "lib/error.h"
#include "lib/pt/walk.h"
#include "tests/host/host.h"
#include "tests/host/pt_fixture.h"

#define LARGE_HPA (4 * GIB)

static int split(uint64_t iova, uint64_t bytes, unsigned level, struct gather *gather)
{
    gather_init(gather);
    return ops->split(&pt, iova, iova + bytes - 1, level, gather);
}

/* Every page of [iova, iova + bytes) goes where one mapping from iova to hpa says. */
static void assert_translates(uint64_t iova, uint64_t bytes, uint64_t hpa, uint64_t step)
{
    struct tree_leaf leaf;

    for (uint64_t at = 0; at < bytes; at += step) {
        assert_true(tree_find(format, &tree_through_cache, &pt, iova + at, &leaf));
        assert_int_equal(leaf.hpa, hpa + at);
        assert_int_equal(leaf.entry & format->write, format->write);
    }
}

static void assert_gathered(const struct gather *gather, uint64_t iova, uint64_t bytes)
{
    assert_int_equal(gather->iova, iova);
    assert_int_equal(gather->last, iova + bytes - 1);
}

static void a_split_leaf_says_the_same_in_parts(void **state)
{
    struct gather gather;
    struct pt_leaf leaf;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, 2 * MIB, HPA), 0);
    device_access(BASE + MIB, true);
    assert_int_equal(split(BASE, 2 * MIB, 0, &gather), 0);
    assert_gathered(&gather, BASE, 2 * MIB);
    assert_false(gather_has_tables(&gather));
    assert_translates(BASE, 2 * MIB, HPA, PAGE_SIZE);
    for (uint64_t at = 0; at < 2 * MIB; at += PAGE_SIZE) {
        assert_true(ops->lookup(&pt, BASE + at, &leaf));
        assert_int_equal(leaf.level, 0);
        assert_int_equal(leaf.prot, PT_READ | PT_WRITE);
        assert_true(leaf.accessed && leaf.dirty);
    }
    assert_int_equal(pt.tables, levels);
    tree_free();
}

static void a_clean_leaf_splits_into_clean_ones(void **state)
{
    struct gather gather;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, 2 * MIB, HPA), 0);
    assert_int_equal(split(BASE, 2 * MIB, 0, &gather), 0);
    assert_int_equal(harvest(BASE, 2 * MIB, 0).dirty, 0);
    tree_free();
}

static void a_split_goes_down_to_the_level_that_is_asked_for(void **state)
{
    struct gather gather;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, GIB, LARGE_HPA), 0);
    assert_int_equal(level_at(BASE), 2);
    device_access(BASE + 5, true);
    assert_int_equal(split(BASE, GIB, 2, &gather), 0);
    assert_true(gather_empty(&gather));
    assert_int_equal(split(BASE, GIB, 1, &gather), 0);
    assert_gathered(&gather, BASE, GIB);
    assert_int_equal(level_at(BASE), 1);
    assert_int_equal(level_at(BASE + GIB - 1), 1);
    assert_translates(BASE, GIB, LARGE_HPA, 2 * MIB);
    assert_int_equal(split(BASE + 4 * MIB, 2 * MIB, 0, &gather), 0);
    assert_gathered(&gather, BASE + 4 * MIB, 2 * MIB);
    assert_int_equal(level_at(BASE + 4 * MIB - 1), 1);
    assert_int_equal(level_at(BASE + 4 * MIB), 0);
    assert_int_equal(level_at(BASE + 6 * MIB), 1);
    assert_int_equal(split(BASE, GIB, 0, &gather), 0);
    assert_int_equal(pt.tables, 1 + (levels - 3) + 1 + 512);
    assert_true(dirty_at(BASE + GIB - 1));
    assert_translates(BASE, GIB, LARGE_HPA, PAGE_SIZE);
    tree_free();
}

static void a_split_of_1_gib_in_part_leaves_the_rest_at_2_mib(void **state)
{
    struct gather gather;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, GIB, LARGE_HPA), 0);
    assert_int_equal(split(BASE + 2 * MIB, 2 * MIB, 0, &gather), 0);
    assert_gathered(&gather, BASE, GIB);
    assert_int_equal(level_at(BASE), 1);
    assert_int_equal(level_at(BASE + 2 * MIB), 0);
    assert_int_equal(level_at(BASE + 4 * MIB), 1);
    tree_free();
}

static void a_split_takes_no_more_pages_than_it_needs(void **state)
{
    struct gather gather;
    uint64_t used;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, GIB, LARGE_HPA), 0);
    used = pages_used();
    for (unsigned pages = 0; pages < 2; pages++) {
        host_leave_pages(pages);
        assert_int_equal(split(BASE, 2 * MIB, 0, &gather), ERR_NOMEM);
        host_release_pages();
        assert_int_equal(level_at(BASE), 2 - pages);
        assert_int_equal(pages_used(), used + pages);
        assert_translates(BASE, GIB, LARGE_HPA, 2 * MIB);
    }
    host_leave_pages(1);
    assert_int_equal(split(BASE, 2 * MIB, 0, &gather), 0);
    host_release_pages();
    assert_int_equal(level_at(BASE), 0);
    tree_free();
}

struct cut {
    uint64_t iova; /* from BASE on */
    uint64_t bytes;
    unsigned tables; /* that splits need */
};

/* What is cut out of one leaf: at its end, at its begin, in its middle, across two leaves. */
static void cut_each(uint64_t mapped, const struct cut *cuts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct cut *cut = &cuts[i];
        uint64_t hpa, used, end = cut->iova + cut->bytes;

        for (unsigned pages = 0;; pages++) {
            int error;

            tree_make(7, 0);
            assert_int_equal(map(BASE, mapped, LARGE_HPA), 0);
            used = pages_used();
            host_leave_pages(pages);
            error = unmap(BASE + cut->iova, cut->bytes, NULL, NULL);
            host_release_pages();
            /* Two edges in one leaf may be counted twice beforehand, but never more than four tables. */
            assert_int_equal(error, error || pages < cut->tables ? ERR_NOMEM : 0);
            assert_true(!error || pages < 4);
            if (!error)
                break;
            /* Nothing changed, and nothing was kept. */
            assert_int_equal(pages_used(), used);
            assert_int_equal(level_at(BASE), mapped % GIB ? 1 : 2);
            assert_translates(BASE, mapped, LARGE_HPA, 2 * MIB);
            tree_free();
        }
        for (uint64_t at = 0; at < mapped; at += mapped % GIB ? PAGE_SIZE : 61 * PAGE_SIZE) {
            assert_int_equal(device_sees(BASE + at, &hpa), at < cut->iova || at >= end);
            if (at < cut->iova || at >= end)
                assert_int_equal(hpa, LARGE_HPA + at);
        }
        if (cut->iova)
            assert_true(device_sees(BASE + cut->iova - 1, &hpa));
        assert_false(device_sees(BASE + cut->iova, &hpa));
        assert_false(device_sees(BASE + end - 1, &hpa));
        assert_true(device_sees(BASE + end, &hpa));
        assert_int_equal(pages_used(), used + cut->tables);
        tree_free();
    }
}

static void an_unmap_cuts_leaves_of_2_mib(void **state)
{
    static const struct cut cuts[] = {
        {0, PAGE_SIZE, 1},
        {2 * MIB - PAGE_SIZE, PAGE_SIZE, 1},
        {PAGE_SIZE, 2 * MIB - PAGE_SIZE, 1},
        {MIB, 2 * PAGE_SIZE, 1}, /* both edges in one leaf */
        {MIB, 2 * MIB, 2},
        {MIB, 4 * MIB, 2}, /* and one between them that goes as a whole */
    };

    (void)state;
    cut_each(6 * MIB, cuts, ARRAY_SIZE(cuts));
}

static void an_unmap_cuts_leaves_of_1_gib(void **state)
{
    static const struct cut cuts[] = {
        {0, 2 * MIB, 1},
        {GIB - PAGE_SIZE, PAGE_SIZE, 2},
        {3 * PAGE_SIZE, PAGE_SIZE, 2},       /* both edges in one leaf of the split one, too */
        {MIB, 512 * MIB, 3},                 /* both edges in one leaf, apart in the split one */
        {GIB - 2 * MIB, 4 * MIB, 2},         /* level 1 is enough */
        {GIB - PAGE_SIZE, 2 * PAGE_SIZE, 4}, /* two edges, each through two levels */
        {GIB - PAGE_SIZE, 2 * PAGE_SIZE + 2 * MIB, 4},
    };

    (void)state;
    cut_each(2 * GIB, cuts, ARRAY_SIZE(cuts));
}

static void a_cut_is_invalidated_as_the_leaf_that_it_was(void **state)
{
    struct gather gather;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, GIB, LARGE_HPA), 0);
    gather_init(&gather);
    assert_int_equal(ops->unlink(&pt, BASE + MIB, BASE + MIB + PAGE_SIZE - 1, &gather, NULL), 0);
    assert_gathered(&gather, BASE, GIB);
    assert_int_equal(settle(&gather, NULL), 0);
    tree_free();
}

static void what_is_cut_out_of_a_dirty_leaf_is_dirty_and_so_is_what_stays(void **state)
{
    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, 2 * MIB, HPA), 0);
    device_access(BASE, true);
    assert_int_equal(unmap(BASE + 4 * PAGE_SIZE, 2 * PAGE_SIZE, &bitmap, NULL), 0);
    assert_int_equal(words[0], 3u << 4);
    assert_int_equal(bits_set(), 2);
    assert_int_equal(harvest(BASE, 2 * MIB, 0).dirty, 510);
    assert_int_equal(bits_set(), 512);
    tree_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_leaf_says_the_same_in_parts),
        cmocka_unit_test(a_clean_leaf_splits_into_clean_ones),
        cmocka_unit_test(a_split_goes_down_to_the_level_that_is_asked_for),
        cmocka_unit_test(a_split_of_1_gib_in_part_leaves_the_rest_at_2_mib),
        cmocka_unit_test(a_split_takes_no_more_pages_than_it_needs),
        cmocka_unit_test(an_unmap_cuts_leaves_of_2_mib),
        cmocka_unit_test(an_unmap_cuts_leaves_of_1_gib),
        cmocka_unit_test(a_cut_is_invalidated_as_the_leaf_that_it_was),
        cmocka_unit_test(what_is_cut_out_of_a_dirty_leaf_is_dirty_and_so_is_what_stays),
    };

    return pt_tests_run("pt_split", tests, ARRAY_SIZE(tests));
}
