/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table engine: tables that become empty, entries that are frozen, attributes and soft bits. */
#include "lib/error.h"
#include "lib/platform.h"
#include "lib/pt/table.h"
#include "lib/pt/walk.h"
#include "lib/rcu.h"
#include "tests/host/host.h"
#include "tests/host/pt_fixture.h"
#include <string.h>

/* The table at level 0 that translates iova. */
static uint64_t *table_at(uint64_t iova)
{
    struct tree_leaf leaf;

    assert_true(tree_find(format, &tree_through_cache, &pt, iova, &leaf));
    assert_int_equal(leaf.level, 0);
    return leaf.slot - pt_index(iova, 0);
}

static void a_table_emptied_piece_by_piece_goes_with_those_above(void **state)
{
    uint64_t freed;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, MIB, HPA), 0);
    for (unsigned i = 0; i < 256; i++) {
        unsigned page = i * 77 % 256;

        assert_int_equal(pt.tables, levels);
        assert_int_equal(unmap(BASE + page * PAGE_SIZE, PAGE_SIZE, NULL, &freed), 0);
        assert_int_equal(freed, i == 255 ? levels - 1 : 0);
    }
    assert_int_equal(pt.tables, 1);
    tree_free();
}

static void a_neighbour_keeps_what_it_needs(void **state)
{
    uint64_t freed;

    (void)state;
    for (unsigned level = 0; level < levels; level++) {
        /* The neighbour is in the next entry of the table at level. */
        uint64_t neighbour = BASE + PT_ENTRY_SIZE(level), hpa;

        tree_make(1, 0);
        assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
        assert_int_equal(map(neighbour, PAGE_SIZE, HPA), 0);
        assert_int_equal(unmap(BASE, PAGE_SIZE, NULL, &freed), 0);
        assert_int_equal(freed, level);
        assert_int_equal(pt.tables, levels);
        assert_true(device_sees(neighbour, &hpa));
        tree_free();
    }
}

static void an_unmap_of_nothing_detaches_nothing(void **state)
{
    struct gather gather;

    (void)state;
    tree_make(7, 0);
    assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
    gather_init(&gather);
    assert_int_equal(ops->unlink(&pt, BASE + PAGE_SIZE, BASE + GIB - 1, &gather, NULL), 0);
    assert_true(gather_empty(&gather));
    assert_int_equal(settle(&gather, NULL), 0);
    assert_int_equal(pt.tables, levels);
    tree_free();
}

static void what_was_detached_is_invalidated(void **state)
{
    struct gather gather;

    (void)state;
    tree_make(1, 0);
    assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
    gather_init(&gather);
    assert_int_equal(ops->unlink(&pt, BASE, BASE + PAGE_SIZE - 1, &gather, NULL), 0);
    assert_true(gather_has_tables(&gather));
    /* All that the topmost of these tables translates: others may have emptied it with us. */
    assert_int_equal(gather.iova, align_down(BASE, PT_ENTRY_SIZE(levels - 1)));
    assert_int_equal(gather.last, gather.iova + PT_ENTRY_SIZE(levels - 1) - 1);
    assert_int_equal(settle(&gather, NULL), levels - 1);
    tree_free();
}

static void a_table_freezes_when_nothing_else_is_in_use(void **state)
{
    uint64_t *table = pages_alloc(0, PAGE_HYPERVISOR);
    struct gather gather;

    (void)state;
    gather_init(&gather);
    pt_table_begin(table, 0);
    assert_true(pt_table_reserve(table, 3));
    assert_false(gather_freeze_table(&gather, table));
    gather_add_frozen(&gather, &table[7]);
    gather_add_frozen(&gather, &pt.root[0]);
    assert_int_equal(pt_table_release(table, 1), 2);
    assert_false(gather_freeze_table(&gather, table));
    assert_int_equal(pt_table_release(table, 1), 1);
    assert_true(gather_freeze_table(&gather, table)); /* only table[7] is left, and goes with it */
    assert_int_equal(gather.frozen_count, 1);
    assert_ptr_equal(gather.frozen[0], &pt.root[0]);
    assert_false(pt_table_reserve(table, 1));
    assert_false(gather_freeze_table(&gather, table)); /* by the second of two */
    pages_free(table);
}

static uint64_t *frozen_table, *frozen_slot; /* a table that goes, and the entry that pointed to it */
static unsigned relaxed;

/* What who empties a table does next, as a mapper sees it that waits: takes the table out; and later, when no
 * unit goes through it any more, leaves its place to others. */
static void finish_pruning(void)
{
    *frozen_slot = relaxed++ ? 0 : PT_FROZEN;
    if (!*frozen_slot)
        (void)pt_table_release(frozen_slot, 1);
}

/* A tree in which the table at BASE is frozen, at level 0 or the one above. */
static void make_frozen(unsigned level)
{
    tree_make(7, 0);
    assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
    frozen_table = pt.root;
    for (unsigned at = levels - 1; at > level; at--) {
        frozen_slot = frozen_table + pt_index(BASE, at);
        frozen_table = phys_to_virt(*frozen_slot & 0x000ffffffffff000ull);
    }
    if (level == 1) {
        pages_free(table_at(BASE));
        atomic_fetch_sub(&pt.tables, 1u);
    }
    memset(frozen_table, 0, PAGE_SIZE);
    assert_true(pt_table_freeze(frozen_table, 1));
    relaxed = 0;
}

static void free_frozen(void)
{
    pages_free(frozen_table);
    atomic_fetch_sub(&pt.tables, 1u);
    host_set_relax(NULL);
    tree_free();
}

static void a_mapper_that_meets_a_frozen_table_starts_again(void **state)
{
    uint64_t hpa;

    (void)state;
    for (unsigned level = 0; level < 2 && level + 1 < levels; level++) {
        make_frozen(level);
        host_set_relax(finish_pruning);
        assert_int_equal(map(BASE, 2 * PAGE_SIZE, HPA + 4 * PAGE_SIZE), 0);
        host_set_relax(NULL);
        assert_int_equal(relaxed, 2);
        for (unsigned i = 0; i < PT_ENTRIES; i++)
            assert_int_equal(frozen_table[i], 0); /* nothing was put there */
        assert_true(device_sees(BASE + PAGE_SIZE, &hpa));
        assert_int_equal(hpa, HPA + 5 * PAGE_SIZE);
        assert_int_equal(unmap(BASE, 2 * PAGE_SIZE, NULL, NULL), 0);
        free_frozen();
    }
}

static bool no_leaf(void *context, const struct pt_leaf *leaf)
{
    (void)leaf;
    return *(bool *)context = false;
}

static void others_take_a_frozen_entry_for_an_empty_one(void **state)
{
    struct pt_leaf leaf;
    bool none = true;
    uint64_t hpa, freed;
    struct gather gather;

    (void)state;
    for (unsigned level = 0; level < 2 && level + 1 < levels; level++) {
        make_frozen(level);
        *frozen_slot = PT_FROZEN;
        assert_false(device_sees(BASE, &hpa));
        assert_false(ops->lookup(&pt, BASE, &leaf));
        ops->visit(&pt, BASE, BASE + GIB - 1, no_leaf, &none);
        assert_true(none);
        assert_int_equal(harvest(BASE, 2 * MIB, 0).dirty, 0);
        ops->mark_walked(&pt, BASE, BASE + 2 * MIB - 1);
        gather_init(&gather);
        ops->merge(&pt, BASE, BASE + 2 * MIB - 1, &gather);
        assert_int_equal(ops->split(&pt, BASE, BASE + 2 * MIB - 1, 0, &gather), 0);
        assert_true(gather_empty(&gather));
        assert_int_equal(unmap(BASE + PAGE_SIZE, PAGE_SIZE, NULL, &freed), 0);
        assert_int_equal(freed, 0); /* it is the freezer's to free */
        assert_int_equal(*frozen_slot, PT_FROZEN);
        *frozen_slot = 0;
        (void)pt_table_release(frozen_slot, 1);
        free_frozen();
    }
}

static void leaves_say_what_they_were_told(void **state)
{
    struct pt_leaf leaf;
    struct gather gather;

    (void)state;
    for (unsigned prot = 0; prot < 32; prot++) {
        if (!(prot & PT_READ) || prot & ~ops->prot)
            continue;
        tree_make(7, 0);
        assert_int_equal(map_as(BASE, GIB + 2 * MIB + PAGE_SIZE, 4 * GIB, prot), 0);
        for (unsigned level = 0; level < 3; level++) {
            static const uint64_t at[] = {GIB + 2 * MIB, GIB, 0};

            assert_true(ops->lookup(&pt, BASE + at[level], &leaf));
            assert_int_equal(leaf.level, level);
            assert_int_equal(leaf.prot, prot);
            assert_int_equal(leaf.hpa, 4 * GIB + at[level]);
            assert_false(leaf.accessed || leaf.dirty);
        }
        gather_init(&gather);
        assert_int_equal(ops->split(&pt, BASE, BASE, 0, &gather), 0);
        assert_true(ops->lookup(&pt, BASE + PAGE_SIZE, &leaf));
        assert_int_equal(leaf.prot, prot);
        assert_int_equal(leaf.level, 0);
        tree_free();
    }
}

/* As the specs have them, one by one, and not by what lib/pt calls them. */
static void attributes_are_at_the_places_of_the_spec(void **state)
{
    static const struct {
        const struct pt_ops *ops;
        unsigned prot;
        uint64_t bits[2]; /* at level 0, and at level 1 */
    } leaves[] = {
        {&pt_x86_64, PT_READ, {0x5, 0x85}},
        {&pt_x86_64, PT_READ | PT_WRITE, {0x7, 0x87}},
        {&pt_x86_64, PT_READ | PT_UNCACHED, {0x1d, 0x9d}},
        {&pt_x86_64, PT_READ | PT_NO_EXECUTE, {0x5 | 1ull << 63, 0x85 | 1ull << 63}},
        {&pt_vtdss, PT_READ, {0x1, 0x81}},
        {&pt_vtdss, PT_READ | PT_WRITE, {0x3, 0x83}},
        {&pt_vtdss, PT_READ | PT_SNOOP, {0x801, 0x881}},
        {&pt_ept, PT_READ, {0x35, 0xb5}},
        {&pt_ept, PT_READ | PT_WRITE, {0x37, 0xb7}},
        {&pt_ept, PT_READ | PT_NO_EXECUTE, {0x31, 0xb1}},
        {&pt_ept, PT_READ | PT_UNCACHED, {0x5, 0x85}},
    };
    struct tree_leaf leaf;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
        if (leaves[i].ops != ops)
            continue;
        tree_make(7, 0);
        assert_int_equal(map_as(BASE, 2 * MIB + PAGE_SIZE, HPA, leaves[i].prot), 0);
        assert_true(tree_find(format, &tree_through_cache, &pt, BASE, &leaf));
        assert_int_equal(leaf.entry, HPA | leaves[i].bits[1]);
        assert_true(tree_find(format, &tree_through_cache, &pt, BASE + 2 * MIB, &leaf));
        assert_int_equal(leaf.entry, (HPA + 2 * MIB) | leaves[i].bits[0]);
        tree_free();
    }
}

/* How many entries below a table, which is at level, have any soft bit. */
static unsigned count_soft(const uint64_t *table, unsigned level, uint64_t bit)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        count += (table[i] & bit) != 0;
        if (level && table[i] & format->present && !(level <= 2 && table[i] & 0x80))
            count += count_soft(phys_to_virt(table[i] & 0x000ffffffffff000ull), level - 1, bit);
    }
    return count;
}

static void soft_bits_are_where_they_belong(void **state)
{
    struct gather gather;

    (void)state;
    tree_make(7, PT_INCOHERENT);
    assert_int_equal(map(BASE, 4 * MIB, HPA), 0);
    assert_int_equal(map(BASE + 8 * MIB, PAGE_SIZE, HPA), 0);
    gather_init(&gather);
    assert_int_equal(ops->split(&pt, BASE, BASE + PAGE_SIZE - 1, 0, &gather), 0);
    assert_int_equal(unmap(BASE + 2 * MIB, MIB, NULL, NULL), 0);
    /* Every table entry is known to be in memory, and no leaf claims it. */
    assert_int_equal(count_soft(pt.root, pt.top_level, PT_SOFT_FLUSHED), pt.tables - 1);
    assert_int_equal(count_soft(pt.root, pt.top_level, PT_FROZEN), 0);
    assert_int_equal(unmap(BASE, 16 * MIB, NULL, NULL), 0);
    for (unsigned i = 0; i < PT_ENTRIES; i++)
        assert_int_equal(pt.root[i], 0);
    tree_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_emptied_piece_by_piece_goes_with_those_above),
        cmocka_unit_test(a_neighbour_keeps_what_it_needs),
        cmocka_unit_test(an_unmap_of_nothing_detaches_nothing),
        cmocka_unit_test(what_was_detached_is_invalidated),
        cmocka_unit_test(a_table_freezes_when_nothing_else_is_in_use),
        cmocka_unit_test(a_mapper_that_meets_a_frozen_table_starts_again),
        cmocka_unit_test(others_take_a_frozen_entry_for_an_empty_one),
        cmocka_unit_test(leaves_say_what_they_were_told),
        cmocka_unit_test(attributes_are_at_the_places_of_the_spec),
        cmocka_unit_test(soft_bits_are_where_they_belong),
    };

    return pt_tests_run("pt_unlink_empty", tests, ARRAY_SIZE(tests));
}
