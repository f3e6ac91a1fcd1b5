/* SPDX-License-Identifier: BSD-2-Clause */
/* The page tables that the loader makes, read by a walker that knows only what the processor's manual says.
 */
#include "tests/host/unit.h"
#include <stdlib.h>

/* The loader is not in the library that tests link with. */
#include "boot/tables.c"

#define POOL_PAGES 64
#define DIRECT     0xffff800000000000ull
#define IMAGE      0xffffffff80000000ull
#define READ_WRITE (TABLES_WRITE | TABLES_NO_EXECUTE)

struct walk {
    bool found;
    uint64_t hpa;
    uint64_t size; /* of the leaf */
    uint64_t entry;
};

static struct tables tables;
static uint64_t root;

/* Intel SDM volume 3, 4.5.4: nine bits a level, from bit 39 (or 48) down; bit 7 makes a leaf. */
static struct walk walk(uint64_t table, uint64_t va)
{
    for (int shift = tables.levels5 ? 48 : 39;; shift -= 9) {
        uint64_t entry = ((uint64_t *)(uintptr_t)table)[va >> shift & 511];
        uint64_t size = 1ull << shift;

        if (!(entry & 1))
            return (struct walk){.found = false};
        table = entry & 0x000ffffffffff000ull;
        if (shift == 12 || (shift <= 30 && entry & 0x80))
            return (struct walk){true, (table & ~(size - 1)) | (va & (size - 1)), size, entry};
    }
}

static void assert_mapped(uint64_t va, uint64_t hpa, uint64_t size, uint64_t rights)
{
    struct walk at = walk(root, va);

    assert_true(at.found);
    assert_true(at.hpa == hpa);
    assert_true(at.size == size);
    assert_true((at.entry & (TABLES_WRITE | TABLES_UNCACHED | TABLES_NO_EXECUTE)) == rights);
}

static void begin(bool levels5, bool gib_pages)
{
    tables = (struct tables){tables.pool, POOL_PAGES, 0, levels5, gib_pages};
    assert_true(tables_new(&tables, &root));
}

static void leaves_are_as_large_as_alignment_allows(void **state)
{
    (void)state;
    for (unsigned levels5 = 0; levels5 < 2; levels5++) {
        begin(levels5, true);
        /* 4 KiB below 2 MiB, up to the second GiB, and 4 KiB more. */
        assert_true(
            tables_map(&tables, root, DIRECT + 0x1ff000, 0x1ff000, 0x80001000 - 0x1ff000, READ_WRITE));
        assert_false(walk(root, DIRECT + 0x1fefff).found);
        assert_mapped(DIRECT + 0x1ff123, 0x1ff123, PAGE_SIZE, READ_WRITE);
        assert_mapped(DIRECT + 0x200000, 0x200000, 2 * MIB, READ_WRITE);
        assert_mapped(DIRECT + 0x3fffffff, 0x3fffffff, 2 * MIB, READ_WRITE);
        assert_mapped(DIRECT + 0x40000000, 0x40000000, GIB, READ_WRITE);
        assert_mapped(DIRECT + 0x80000fff, 0x80000fff, PAGE_SIZE, READ_WRITE);
        assert_false(walk(root, DIRECT + 0x80001000).found);
    }
}

static void without_gib_pages_leaves_are_smaller(void **state)
{
    (void)state;
    begin(false, false);
    assert_true(tables_map(&tables, root, DIRECT, 0, 2 * GIB, READ_WRITE));
    assert_mapped(DIRECT + GIB, GIB, 2 * MIB, READ_WRITE);
}

static void image_anywhere_has_small_leaves(void **state)
{
    (void)state;
    begin(false, true);
    assert_true(tables_map(&tables, root, IMAGE, 0x7654000, 0x3000, 0));
    assert_true(tables_map(&tables, root, IMAGE + 0x3000, 0x7657000, 0x1000, READ_WRITE));
    assert_mapped(IMAGE + 0x2fff, 0x7656fff, PAGE_SIZE, 0);
    assert_mapped(IMAGE + 0x3000, 0x7657000, PAGE_SIZE, READ_WRITE);
    assert_false(walk(root, IMAGE + 0x4000).found);
}

static void pool_that_is_used_up_is_reported_at_every_size(void **state)
{
    (void)state;
    begin(true, false);
    assert_true(tables_map(&tables, root, DIRECT + 0x1ff000, 0x1ff000, GIB, READ_WRITE));
    for (uint64_t pages = tables.used - 1; pages >= 1; pages--) {
        tables.pages = pages;
        tables.used = 0;
        assert_true(tables_new(&tables, &root));
        assert_false(tables_map(&tables, root, DIRECT + 0x1ff000, 0x1ff000, GIB, READ_WRITE));
        assert_int_equal(tables.used, pages);
    }
}

static void shared_half_sees_what_is_mapped_later(void **state)
{
    uint64_t runtime;

    (void)state;
    for (unsigned levels5 = 0; levels5 < 2; levels5++) {
        begin(levels5, true);
        assert_true(tables_new(&tables, &runtime));
        assert_true(tables_reserve(&tables, root, DIRECT));
        tables_share_upper_half(runtime, root);
        assert_true(tables_map(&tables, runtime, 0x1000, 0x1000, PAGE_SIZE, TABLES_WRITE));
        assert_true(tables_map(&tables, root, DIRECT, 0, PAGE_SIZE, READ_WRITE));
        assert_true(walk(runtime, DIRECT).found);
        assert_true(walk(runtime, 0x1000).found);
        assert_false(walk(root, 0x1000).found);
    }
}

static int take_pool(void **state)
{
    (void)state;
    tables.pool = (uintptr_t)aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
    return tables.pool ? 0 : -1;
}

static int give_pool(void **state)
{
    (void)state;
    free((void *)(uintptr_t)tables.pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_are_as_large_as_alignment_allows),
        cmocka_unit_test(without_gib_pages_leaves_are_smaller),
        cmocka_unit_test(image_anywhere_has_small_leaves),
        cmocka_unit_test(pool_that_is_used_up_is_reported_at_every_size),
        cmocka_unit_test(shared_half_sees_what_is_mapped_later),
    };

    return cmocka_run_group_tests(tests, take_pool, give_pool);
}
