/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table engine, all formats: what map, unlink, lookup and harvest do to one tree. */
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pt/walk.h"
#include "lib/rcu.h"
#include "tests/host/host.h"
#include "tests/host/pt_fixture.h"
#include <string.h>

static void leaves_are_as_large_as_alignment_allows(void **state)
{
    struct pt_leaf leaf;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE - 2 * MIB - PAGE_SIZE, 2 * GIB, 4 * GIB - 2 * MIB - PAGE_SIZE), 0);
    assert_int_equal(level_at(BASE - 2 * MIB - PAGE_SIZE), 0);
    assert_int_equal(level_at(BASE - 1), 1);
    assert_int_equal(level_at(BASE), 2);
    assert_int_equal(level_at(BASE + GIB), 1);
    assert_int_equal(level_at(BASE + 2 * GIB - 4 * MIB - 1), 1);
    assert_int_equal(level_at(BASE + 2 * GIB - 2 * MIB - PAGE_SIZE - 1), 0);
    assert_true(ops->lookup(&pt, BASE + 0x12345678, &leaf));
    assert_int_equal(leaf.hpa + 0x12345678, 4 * GIB + 0x12345678);
    assert_int_equal(leaf.iova, BASE);
    assert_int_equal(leaf.prot, PT_READ | PT_WRITE);
    assert_false(ops->lookup(&pt, BASE + 2 * GIB - 2 * MIB - PAGE_SIZE, &leaf));
    tree_free();
}

static void leaf_sizes_that_the_unit_lacks_are_not_used(void **state)
{
    (void)state;
    tree_make(1, 0);
    assert_int_equal(map(BASE, 4 * MIB, HPA), 0);
    assert_int_equal(level_at(BASE), 0);
    assert_int_equal(level_at(BASE + 4 * MIB - 1), 0);
    tree_free();
    tree_make(3, 0);
    assert_int_equal(map(BASE, GIB, HPA), 0);
    assert_int_equal(level_at(BASE), 1);
    tree_free();
}

static void mapping_what_is_mapped_says_where_it_stopped(void **state)
{
    uint64_t end;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE + 5 * PAGE_SIZE, PAGE_SIZE, HPA), 0);
    assert_int_equal(ops->map(&pt, BASE, BASE + 16 * PAGE_SIZE - 1, HPA, PT_READ, &end), ERR_EXISTS);
    assert_int_equal(end, BASE + 5 * PAGE_SIZE);
    assert_int_equal(ops->map(&pt, BASE + 4 * MIB, BASE + 6 * MIB - 1, HPA, PT_READ, &end), 0);
    assert_int_equal(ops->map(&pt, BASE + 5 * MIB, BASE + 5 * MIB + PAGE_SIZE - 1, HPA, PT_READ, &end),
                     ERR_EXISTS);
    assert_int_equal(end, BASE + 5 * MIB);
    tree_free();
}

static void a_read_only_page_takes_no_write(void **state)
{
    uint64_t end, hpa;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(ops->map(&pt, BASE, BASE + PAGE_SIZE - 1, HPA, PT_READ, &end), 0);
    assert_true(tree_access_as(format, &tree_through_cache, &pt, BASE, false, &hpa));
    assert_int_equal(hpa, HPA);
    assert_false(tree_access_as(format, &tree_through_cache, &pt, BASE, true, &hpa));
    tree_free();
}

static void tables_that_a_range_covers_go_with_it(void **state)
{
    uint64_t freed;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, 2 * GIB, HPA + PAGE_SIZE),
                     0); /* 4 KiB leaves: 1024 tables and two above them */
    assert_int_equal(pt.tables, 1 + (levels - 3) + 2 + 1024);
    assert_int_equal(unmap(BASE + PAGE_SIZE, 2 * MIB - PAGE_SIZE, NULL, &freed), 0);
    assert_int_equal(freed, 0);
    assert_int_equal(unmap(BASE + 2 * MIB, 2 * MIB, NULL, &freed), 0);
    assert_int_equal(freed, 1);
    assert_int_equal(unmap(BASE, GIB, NULL, &freed), 0);
    assert_int_equal(freed, 1 + 511);
    assert_int_equal(unmap(BASE + GIB, GIB, NULL, &freed), 0);
    assert_int_equal(freed, 1 + 512 + (levels - 3)); /* and those above, which became empty */
    assert_int_equal(pt.tables, 1);
    tree_free();
}

static void a_harvest_reports_just_what_was_written(void **state)
{
    struct harvest_stats stats;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, 8 * MIB, HPA + PAGE_SIZE), 0);
    device_access(BASE, true);
    device_access(BASE + 7 * PAGE_SIZE, true);
    device_access(BASE + 8 * PAGE_SIZE, false);
    device_access(BASE + 2 * MIB + 100 * PAGE_SIZE + 5, true);
    stats = harvest(BASE, 8 * MIB, HARVEST_KEEP);
    assert_int_equal(stats.dirty, 3);
    assert_int_equal(stats.tables, 4);
    assert_int_equal(stats.entries, 2048);
    assert_int_equal(bits_set(), 3);
    memset(words, 0, sizeof words);
    assert_int_equal(harvest(BASE, 8 * MIB, 0).dirty, 3);
    assert_true(bitmap_test(words, 0));
    assert_true(bitmap_test(words, 7));
    assert_true(bitmap_test(words, 612));
    assert_int_equal(bits_set(), 3);
    assert_int_equal(harvest(BASE, 8 * MIB, 0).dirty, 0);
    tree_free();
}

static void a_harvest_leaves_alone_what_is_beside_its_range(void **state)
{
    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, 2 * MIB, HPA + PAGE_SIZE), 0);
    for (unsigned i = 10; i < 14; i++)
        device_access(BASE + i * PAGE_SIZE, true);
    assert_int_equal(harvest(BASE + 11 * PAGE_SIZE, 2 * PAGE_SIZE, 0).dirty, 2);
    assert_int_equal(words[0], 3u << 11);
    memset(words, 0, sizeof words);
    assert_int_equal(harvest(BASE, 2 * MIB, 0).dirty, 2);
    assert_int_equal(words[0], 1u << 10 | 1u << 13);
    tree_free();
}

static void a_large_leaf_is_dirty_as_a_whole(void **state)
{
    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, 2 * MIB, HPA), 0);
    device_access(BASE + MIB, true);
    /* In part only: reported as far as asked for, and not cleared. */
    memset(words, 0, sizeof words);
    ops->harvest(&pt, BASE + PAGE_SIZE, BASE + 3 * PAGE_SIZE - 1, &bitmap, 0, &(struct gather){0}, NULL);
    assert_int_equal(words[0], 6);
    assert_int_equal(bits_set(), 2);
    assert_int_equal(harvest(BASE, 2 * MIB, 0).dirty, 1);
    assert_int_equal(bits_set(), 512);
    assert_int_equal(harvest(BASE, 2 * MIB, 0).dirty, 0);
    tree_free();
}

static void unmapping_reports_what_was_dirty(void **state)
{
    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, 2 * MIB, HPA + PAGE_SIZE), 0); /* a table that goes as a whole */
    assert_int_equal(map(BASE + 2 * MIB, 16 * PAGE_SIZE, HPA), 0);
    assert_int_equal(map(BASE + 4 * MIB, 2 * MIB, HPA), 0);
    device_access(BASE + 3 * PAGE_SIZE, true);
    device_access(BASE + 2 * MIB + PAGE_SIZE, true);
    device_access(BASE + 2 * MIB + 2 * PAGE_SIZE, false);
    assert_int_equal(unmap(BASE, 2 * MIB + 16 * PAGE_SIZE, &bitmap, NULL), 0);
    assert_int_equal(bits_set(), 2);
    assert_true(bitmap_test(words, 3));
    assert_true(bitmap_test(words, 513));
    device_access(BASE + 5 * MIB, true);
    assert_int_equal(unmap(BASE + 4 * MIB, 2 * MIB, &bitmap, NULL), 0);
    assert_int_equal(bits_set(), 2 + 512);
    tree_free();
}

static void accessed_counts_as_dirty_where_the_erratum_says_so(void **state)
{
    (void)state;
    tree_make(7, PT_ACCESSED_IS_DIRTY);
    assert_int_equal(map(BASE, 2 * MIB, HPA + PAGE_SIZE), 0);
    device_access(BASE + 9 * PAGE_SIZE, false);
    assert_int_equal(harvest(BASE, 2 * MIB, 0).dirty, 1);
    assert_int_equal(words[0], 1u << 9);
    assert_int_equal(harvest(BASE, 2 * MIB, 0).dirty, 0);
    tree_free();
}

static void leaves_are_born_dirty_where_hardware_cannot_set_bits(void **state)
{
    struct pt_leaf leaf;

    (void)state;
    tree_make(7, PT_PRESET_DIRTY);
    assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
    assert_true(ops->lookup(&pt, BASE, &leaf));
    assert_true(leaf.accessed && leaf.dirty);
    assert_true(pt.root[pt_index(BASE, levels - 1)] & format->accessed);
    tree_free();
}

static void memory_has_what_an_incoherent_walker_must_see(void **state)
{
    uint64_t hpa;

    (void)state;
    tree_make(7, PT_INCOHERENT);
    assert_int_equal(map(BASE, 3 * MIB, HPA + PAGE_SIZE), 0);
    assert_int_equal(map(BASE + 3 * MIB, MIB, HPA), 0); /* finds the tables installed */
    for (uint64_t iova = BASE; iova < BASE + 4 * MIB; iova += PAGE_SIZE)
        assert_true(tree_access_as(format, &tree_in_memory, &pt, iova, false, &hpa));
    assert_int_equal(unmap(BASE + MIB, 2 * MIB, NULL, NULL), 0);
    assert_false(tree_access_as(format, &tree_in_memory, &pt, BASE + MIB, false, &hpa));
    assert_true(tree_access_as(format, &tree_in_memory, &pt, BASE + MIB - 1, false, &hpa));
    assert_false(tree_access_as(format, &tree_in_memory, &pt, BASE + 3 * MIB - 1, false, &hpa));
    assert_true(tree_access_as(format, &tree_in_memory, &pt, BASE + 3 * MIB, false, &hpa));
    tree_free();
}

static void a_mapper_flushes_an_entry_that_its_installer_has_not(void **state)
{
    uint64_t hpa, unflushed, *slot;

    (void)state;
    tree_make(7, PT_INCOHERENT);
    assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
    /* As if the first mapper had been stopped between its compare-and-swap and its flush of the root's entry.
     */
    slot = &pt.root[pt_index(BASE, levels - 1)];
    unflushed = *slot & ~PT_SOFT_FLUSHED;
    *slot = 0;
    platform_cache_flush(slot, sizeof *slot);
    *slot = unflushed;
    assert_int_equal(map(BASE + PAGE_SIZE, PAGE_SIZE, HPA), 0);
    assert_true(tree_access_as(format, &tree_in_memory, &pt, BASE + PAGE_SIZE, false, &hpa));
    tree_free();
}

static bool count_leaf(void *context, const struct pt_leaf *leaf)
{
    (void)leaf;
    return ++*(unsigned *)context < 3;
}

static void long_walks_hold_up_no_grace_period(void **state)
{
    uint64_t before;
    unsigned count = 0;

    (void)state;
    tree_make(1, 0);
    before = rcu_get_state();
    assert_int_equal(map(BASE, 4 * MIB, HPA), 0);
    assert_true(rcu_poll(before));
    before = rcu_get_state();
    ops->visit(&pt, BASE, BASE + 4 * MIB - 1, count_leaf, &count);
    assert_true(rcu_poll(before));
    before = rcu_get_state();
    ops->unlink(&pt, BASE + MIB, BASE + 3 * MIB - 1, &(struct gather){0}, NULL);
    assert_true(rcu_poll(before));
    tree_free();
}

static void visit_goes_through_the_leaves_until_told_to_stop(void **state)
{
    unsigned count = 0;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, 2 * MIB, HPA), 0);
    assert_int_equal(map(BASE + 4 * MIB, PAGE_SIZE, HPA), 0);
    ops->visit(&pt, 0, pt_span_last(&pt), count_leaf, &count);
    assert_int_equal(count, 2);
    count = 0;
    assert_int_equal(map(BASE + 4 * MIB + PAGE_SIZE, 7 * PAGE_SIZE, HPA), 0);
    ops->visit(&pt, 0, pt_span_last(&pt), count_leaf, &count);
    assert_int_equal(count, 3);
    tree_free();
}

static void without_memory_the_tree_is_as_far_as_it_says(void **state)
{
    struct page_alloc_stats before, after;
    uint64_t end = 0, hpa;
    int error = ERR_NOMEM;

    (void)state;
    page_alloc_stats(&before);
    for (unsigned pages = 0; error; pages++) {
        tree_make(7, 0);
        host_leave_pages(pages);
        error = ops->map(&pt, BASE, BASE + 6 * MIB - 1, HPA + PAGE_SIZE, PT_READ, &end);
        host_release_pages();
        assert_int_equal(error, pages < levels + 1 ? ERR_NOMEM : 0);
        for (uint64_t iova = BASE; iova < BASE + 6 * MIB; iova += PAGE_SIZE)
            assert_int_equal(tree_access_as(format, &tree_through_cache, &pt, iova, false, &hpa), iova < end);
        tree_free();
        page_alloc_stats(&after);
        assert_int_equal(after.free_pages, before.free_pages);
    }
    assert_int_equal(end, BASE + 6 * MIB);
}

static void ranges_are_checked(void **state)
{
    uint64_t span = 1ull << PT_ENTRY_LG2(levels);
    struct pt bad;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(pt_check_range(&pt, 0, PAGE_SIZE - 1), 0);
    assert_int_equal(pt_check_range(&pt, 0, span - 1), 0);
    assert_int_equal(pt_check_range(&pt, 0, span), ERR_INVALID);
    assert_int_equal(pt_check_range(&pt, span, span + PAGE_SIZE - 1), ERR_RANGE);
    assert_int_equal(pt_check_range(&pt, 0, ~0ull), ERR_RANGE);
    assert_int_equal(pt_check_range(&pt, 1, PAGE_SIZE - 1), ERR_INVALID);
    assert_int_equal(pt_check_range(&pt, PAGE_SIZE, PAGE_SIZE - 1), ERR_INVALID);
    assert_int_equal(pt_init(&bad, 2, 1, 30, 0), ERR_INVALID);
    assert_int_equal(pt_init(&bad, 6, 1, 30, 0), ERR_INVALID);
    assert_int_equal(pt_init(&bad, 3, 1, 40, 0), ERR_INVALID);
    assert_int_equal(pt_init(&bad, 3, 2, 39, 0), ERR_INVALID);
    assert_int_equal(pt_init(&bad, 3, 5, 39, 0), ERR_INVALID); /* a split goes level by level */
    tree_free();
}

/* Each count is a word of its own, and none is forgotten, also when there is one more some day. */
static void counts_of_harvests_add_up(void **state)
{
    enum { COUNTS = sizeof(struct harvest_stats) / sizeof(uint64_t) };
    uint64_t counts[COUNTS] = {0};
    struct harvest_stats stats, sum = {0};

    (void)state;
    for (unsigned i = 0; i < COUNTS; i++)
        counts[i] = i + 1;
    memcpy(&stats, counts, sizeof stats);
    for (unsigned i = 0; i < 3; i++)
        harvest_stats_add(&sum, &stats);
    memcpy(counts, &sum, sizeof sum);
    for (unsigned i = 0; i < COUNTS; i++)
        assert_int_equal(counts[i], 3 * (i + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_are_as_large_as_alignment_allows),
        cmocka_unit_test(leaf_sizes_that_the_unit_lacks_are_not_used),
        cmocka_unit_test(mapping_what_is_mapped_says_where_it_stopped),
        cmocka_unit_test(a_read_only_page_takes_no_write),
        cmocka_unit_test(tables_that_a_range_covers_go_with_it),
        cmocka_unit_test(a_harvest_reports_just_what_was_written),
        cmocka_unit_test(a_harvest_leaves_alone_what_is_beside_its_range),
        cmocka_unit_test(a_large_leaf_is_dirty_as_a_whole),
        cmocka_unit_test(unmapping_reports_what_was_dirty),
        cmocka_unit_test(accessed_counts_as_dirty_where_the_erratum_says_so),
        cmocka_unit_test(leaves_are_born_dirty_where_hardware_cannot_set_bits),
        cmocka_unit_test(memory_has_what_an_incoherent_walker_must_see),
        cmocka_unit_test(a_mapper_flushes_an_entry_that_its_installer_has_not),
        cmocka_unit_test(long_walks_hold_up_no_grace_period),
        cmocka_unit_test(visit_goes_through_the_leaves_until_told_to_stop),
        cmocka_unit_test(without_memory_the_tree_is_as_far_as_it_says),
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(counts_of_harvests_add_up),
    };

    return pt_tests_run("pt", tests, ARRAY_SIZE(tests));
}
