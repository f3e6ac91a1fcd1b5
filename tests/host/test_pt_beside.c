/* SPDX-License-Identifier: BSD-2-Clause */
/* What one CPU does while another does something beside: the other's operation is put, as a whole, before
 * each access of the first one's in turn. */
#include "lib/error.h"
#include "lib/pt/table.h"
#include "lib/pt/walk.h"
#include "lib/rcu.h"
#include "tests/host/accesses.h"
#include "tests/host/host.h"
#include "tests/host/pt_fixture.h"

#define RIVALS 2

/* The rival's operations, and before which access of the watched one each comes. */
static void (*rivals[RIVALS])(void);
static unsigned places[RIVALS];
static unsigned accesses;

static void before_access(enum access access, const volatile uint64_t *entry)
{
    (void)access;
    (void)entry;
    for (unsigned i = 0; i < RIVALS; i++)
        if (rivals[i] && accesses == places[i]) {
            host_set_cpu(1);
            rivals[i]();
            rcu_quiescent();
            host_set_cpu(0);
        }
    accesses++;
}

static void others_pass(void)
{
    host_set_cpu(1);
    rcu_quiescent();
    host_set_cpu(0);
}

static void begin_watch(void)
{
    accesses = 0;
    accesses_watch(before_access);
}

/* True if there may be later places. What the rival has not done by now it does after. */
static bool end_watch(void)
{
    bool more = accesses > places[0];

    accesses_watch(NULL);
    for (unsigned i = 0; i < RIVALS; i++)
        if (rivals[i] && accesses <= places[i])
            rivals[i]();
    return more;
}

static void begin(void (*first)(void), void (*second)(void))
{
    rivals[0] = first;
    rivals[1] = second;
    host_set_cpu(1);
    rcu_cpu_online();
    host_set_cpu(0);
    host_set_relax(others_pass);
}

static void end(void)
{
    host_set_cpu(1);
    rcu_cpu_offline();
    host_set_cpu(0);
    host_set_relax(NULL);
}

static void free_later(struct gather *gather)
{
    gather_set_invalidated(gather);
    gather_set_harvested(gather);
    (void)gather_free(gather, true);
}

static void split_leaf(void)
{
    struct gather gather;

    gather_init(&gather);
    assert_int_equal(ops->split(&pt, BASE, BASE + 2 * MIB - 1, 0, &gather), 0);
    free_later(&gather);
}

static bool unlinked_again;

static void unmap_pages(unsigned first, unsigned count)
{
    uint64_t iova = BASE + first * PAGE_SIZE, last = iova + count * PAGE_SIZE - 1;
    struct gather gather;

    gather_init(&gather);
    assert_int_equal(ops->unlink(&pt, iova, last, &gather, NULL), 0);
    free_later(&gather);
    while (gather.unlink_again) {
        unlinked_again = true;
        ops->unlink_empty(&pt, iova, last, &gather);
        free_later(&gather);
    }
}

static void unmap_page_3(void)
{
    unmap_pages(3, 1);
}

static void map_page_3(void)
{
    assert_int_equal(map(BASE + 3 * PAGE_SIZE, PAGE_SIZE, HPA), 0);
}

static void unmap_page_515(void)
{
    unmap_pages(515, 1);
}

/* A mapper that meets FROZEN waits for the freezer, which is stopped here. */
static bool page_515_is_frozen(void)
{
    const uint64_t *table = pt.root;

    for (unsigned level = levels - 1; level; level--) {
        uint64_t entry = table[pt_index(BASE + 2 * MIB, level)];

        if (!(entry & format->present))
            return entry == PT_FROZEN;
        table = phys_to_virt(entry & 0x000ffffffffff000ull);
        if (*pt_table_count(table) & PT_TABLE_FROZEN)
            return true;
    }
    return false;
}

static void map_page_515(void)
{
    if (!page_515_is_frozen())
        assert_int_equal(map(BASE + 515 * PAGE_SIZE, PAGE_SIZE, HPA), 0);
}

static void make_large(void)
{
    tree_make(7, 0);
    assert_int_equal(map(BASE, 2 * MIB, HPA), 0);
}

static void a_lookup_finds_what_is_split_meanwhile(void **state)
{
    struct pt_leaf leaf;
    bool more = true;

    (void)state;
    begin(split_leaf, NULL);
    for (places[0] = 0; more; places[0]++) {
        make_large();
        begin_watch();
        assert_true(ops->lookup(&pt, BASE + MIB, &leaf));
        assert_int_equal(leaf.hpa, leaf.level ? HPA : HPA + MIB);
        more = end_watch();
        tree_free();
    }
    end();
}

static void a_harvest_finds_what_is_dirty_and_split_meanwhile(void **state)
{
    bool more = true;

    (void)state;
    begin(split_leaf, NULL);
    for (places[0] = 0; more && places[0] < 40; places[0]++) {
        struct gather gather;

        make_large();
        device_access(BASE, true);
        gather_init(&gather);
        begin_watch();
        ops->harvest(&pt, BASE, BASE + 4 * MIB - 1, &bitmap, 0, &gather, NULL);
        more = end_watch();
        assert_int_equal(bits_set(), 512);
        tree_free();
    }
    end();
}

/* A pass that may leave things out: it, or the next one, finds what is dirty. */
static void pruned_pass(void)
{
    struct gather gather;

    gather_init(&gather);
    ops->harvest(&pt, BASE, BASE + 4 * MIB - 1, &bitmap, HARVEST_PRUNE, &gather, NULL);
}

static void what_is_split_beside_a_pass_is_not_left_out(void **state)
{
    bool more = true;

    (void)state;
    begin(split_leaf, NULL);
    for (places[0] = 0; more && places[0] < 60; places[0]++) {
        make_large();
        pt.flags |= PT_PRUNES;
        device_access(BASE, true);
        begin_watch();
        pruned_pass();
        more = end_watch();
        pruned_pass();
        assert_int_equal(bits_set(), 512);
        tree_free();
    }
    end();
}

static void read_page_3(void)
{
    device_access(BASE + 3 * PAGE_SIZE, false);
}

/* The walk that comes in the middle of a pass leaves a table cached until its invalidation, and the device
 * writes by that. */
static void a_walk_beside_a_pass_is_not_forgotten(void **state)
{
    bool more = true;

    (void)state;
    begin(read_page_3, NULL);
    for (places[0] = 0; more && places[0] < 60; places[0]++) {
        tree_make(1, PT_PRUNES);
        assert_int_equal(map(BASE, 4 * MIB, HPA), 0);
        device_access(BASE + 2 * MIB, false); /* so that the pass goes down as far as the tables */
        begin_watch();
        pruned_pass();
        more = end_watch();
        write_by_cached_table(BASE + 3 * PAGE_SIZE);
        pruned_pass();
        assert_int_equal(bits_set(), 1);
        tree_free();
    }
    end();
}

static void write_page_3(void)
{
    device_access(BASE + 3 * PAGE_SIZE, true);
}

/* The device's walk sets accessed before dirty, also where an audit is looking already. */
static void a_write_beside_an_audit_does_not_fail_it(void **state)
{
    bool more = true;

    (void)state;
    begin(write_page_3, NULL);
    for (places[0] = 0; more; places[0]++) {
        struct harvest_stats stats = {0};
        struct gather gather;

        tree_make(1, PT_PRUNES);
        assert_int_equal(map(BASE, 4 * MIB, HPA), 0);
        gather_init(&gather);
        begin_watch();
        ops->harvest(&pt, BASE, BASE + 4 * MIB - 1, &bitmap,
                     HARVEST_PRUNE | HARVEST_AUDIT | HARVEST_AUDIT_SHARE(BASE / (2 * MIB)), &gather, &stats);
        more = end_watch();
        assert_int_equal(stats.audit_dirty, 0);
        tree_free();
    }
    end();
}

static void merge_pages(void)
{
    struct gather gather;

    gather_init(&gather);
    ops->merge(&pt, BASE, BASE + 2 * MIB - 1, &gather);
    gather_set_invalidated(&gather);
    ops->hand_back(&pt, &gather, false);
    gather_set_harvested(&gather);
    (void)gather_free(&gather, true);
}

static void what_is_merged_beside_a_pass_is_not_left_out(void **state)
{
    bool more = true;

    (void)state;
    begin(merge_pages, NULL);
    for (places[0] = 0; more && places[0] < 60; places[0]++) {
        make_large();
        pt.flags |= PT_PRUNES;
        split_leaf();
        device_access(BASE + 3 * PAGE_SIZE, true);
        begin_watch();
        pruned_pass();
        more = end_watch();
        assert_true(bits_set() > 0);
        bitmap_clear(words, 3);
        device_access(BASE + 3 * PAGE_SIZE, true);
        pruned_pass();
        assert_true(bitmap_test(words, 3));
        tree_free();
    }
    end();
}

/* The tables above it go; a merge of what lies beside has looked at them. */
static void a_merge_beside_an_unmap_follows_no_empty_entry(void **state)
{
    bool more = true;

    (void)state;
    begin(unmap_page_3, NULL);
    for (places[0] = 0; more; places[0]++) {
        struct gather gather;

        tree_make(7, 0);
        map_page_3();
        gather_init(&gather);
        begin_watch();
        ops->merge(&pt, BASE + 4 * MIB, BASE + 6 * MIB - 1, &gather);
        more = end_watch();
        assert_int_equal(pt.tables, 1);
        tree_free();
    }
    end();
}

static void of_two_who_empty_a_table_one_frees_it(void **state)
{
    bool more = true;

    (void)state;
    begin(unmap_page_3, NULL);
    for (places[0] = 0; more; places[0]++) {
        tree_make(7, 0);
        assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
        map_page_3();
        begin_watch();
        unmap_pages(0, 1);
        more = end_watch();
        assert_int_equal(pt.tables, 1);
        tree_free();
    }
    end();
}

static void a_mapper_is_not_lost_in_a_table_that_goes(void **state)
{
    struct pt_leaf leaf;
    bool more = true;

    (void)state;
    begin(unmap_page_3, NULL);
    for (places[0] = 0; more; places[0]++) {
        tree_make(7, 0);
        map_page_3();
        begin_watch();
        assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
        more = end_watch();
        assert_true(ops->lookup(&pt, BASE, &leaf));
        assert_int_equal(pt.tables, levels);
        tree_free();
    }
    end();
}

/* A neighbour comes and goes at any two places of an unmap that leaves two tables empty. */
static void whoever_is_last_frees_the_table(void **state)
{
    bool more = true;

    (void)state;
    begin(map_page_515, unmap_page_515);
    for (places[0] = 0; more; places[0]++)
        for (places[1] = places[0] + 1; places[1] < places[0] + 40; places[1]++) {
            tree_make(7, 0);
            assert_int_equal(map(BASE + 511 * PAGE_SIZE, 2 * PAGE_SIZE, HPA), 0);
            begin_watch();
            unmap_pages(511, 2);
            more = end_watch();
            assert_int_equal(pt.tables, 1);
            tree_free();
        }
    end();
}

/* Each of them finds the other's table, or the entry that pointed to it, in the table above. */
static void of_two_tables_side_by_side_neither_stays(void **state)
{
    bool more = true;

    (void)state;
    unlinked_again = false;
    begin(unmap_page_515, NULL);
    for (places[0] = 0; more; places[0]++) {
        tree_make(7, 0);
        assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
        map_page_515();
        begin_watch();
        unmap_pages(0, 1);
        more = end_watch();
        assert_int_equal(pt.tables, 1);
        tree_free();
    }
    assert_true(unlinked_again);
    end();
}

/* An entry is read once: what was empty, and reaches beyond the range, may be a neighbour's table by then. */
static void an_unmap_of_nothing_leaves_the_table_that_comes_there(void **state)
{
    bool more = true;

    (void)state;
    begin(map_page_515, NULL);
    for (places[0] = 0; more; places[0]++) {
        tree_make(7, 0);
        assert_int_equal(map(BASE, PAGE_SIZE, HPA), 0);
        begin_watch();
        unmap_pages(512, 2);
        more = end_watch();
        assert_true(device_sees(BASE + 515 * PAGE_SIZE, &(uint64_t){0}));
        unmap_pages(0, 516);
        assert_int_equal(pt.tables, 1);
        tree_free();
    }
    end();
}

/* What map holds while it finds out that the page is in use may be what keeps the owner from freeing the
 * table. */
static void a_map_that_fails_leaves_no_empty_table(void **state)
{
    bool more = true, failed = false;

    (void)state;
    begin(unmap_page_3, NULL);
    for (places[0] = 0; more; places[0]++) {
        uint64_t iova = BASE + 2 * PAGE_SIZE, end;
        int error;

        tree_make(7, 0);
        map_page_3();
        begin_watch();
        error = ops->map(&pt, iova, iova + 2 * PAGE_SIZE - 1, HPA, PT_READ, &end);
        more = end_watch();
        failed = failed || error == ERR_EXISTS;
        if (end > iova)
            unmap_pages(2, (unsigned)((end - iova) / PAGE_SIZE));
        assert_int_equal(pt.tables, 1);
        tree_free();
    }
    assert_true(failed);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lookup_finds_what_is_split_meanwhile),
        cmocka_unit_test(a_harvest_finds_what_is_dirty_and_split_meanwhile),
        cmocka_unit_test(what_is_split_beside_a_pass_is_not_left_out),
        cmocka_unit_test(a_walk_beside_a_pass_is_not_forgotten),
        cmocka_unit_test(a_write_beside_an_audit_does_not_fail_it),
        cmocka_unit_test(what_is_merged_beside_a_pass_is_not_left_out),
        cmocka_unit_test(a_merge_beside_an_unmap_follows_no_empty_entry),
        cmocka_unit_test(of_two_who_empty_a_table_one_frees_it),
        cmocka_unit_test(a_mapper_is_not_lost_in_a_table_that_goes),
        cmocka_unit_test(of_two_tables_side_by_side_neither_stays),
        cmocka_unit_test(whoever_is_last_frees_the_table),
        cmocka_unit_test(an_unmap_of_nothing_leaves_the_table_that_comes_there),
        cmocka_unit_test(a_map_that_fails_leaves_no_empty_table),
    };

    return pt_tests_run("pt_beside", tests, ARRAY_SIZE(tests));
}
