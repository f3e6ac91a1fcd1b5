/* SPDX-License-Identifier: BSD-2-Clause */
/* The loader's memory map, against an array that has one byte for each page. */
#include "tests/host/unit.h"
#include <stdlib.h>
#include <string.h>

/* The loader is not in the library that tests link with. */
#include "boot/memory_map.c"

#define PAGES  64
#define NOBODY 0xff

static struct boot_memory ranges[PAGES + 2];

static void assert_same(const struct memory_map *map, const uint8_t *pages)
{
    uint64_t next = 0;

    for (uint64_t i = 0; i < map->count; i++) {
        const struct boot_memory *range = &map->range[i];

        assert_true(range->hpa < range->end);
        assert_true(range->hpa >= next);
        if (i > 0 && range->hpa == next)
            assert_true(range->type != map->range[i - 1].type);
        for (; next < range->hpa; next++)
            assert_int_equal(pages[next], NOBODY);
        for (; next < range->end; next++)
            assert_int_equal(pages[next], range->type);
    }
    for (; next < PAGES; next++)
        assert_int_equal(pages[next], NOBODY);
}

static void random_cuts_leave_it_sorted_and_merged(void **state)
{
    unsigned seed = 1;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        struct memory_map map = {ranges, 0, PAGES + 2};
        uint8_t pages[PAGES];

        memset(pages, NOBODY, sizeof(pages));
        for (unsigned step = 0; step < 30; step++) {
            unsigned first = (unsigned)rand_r(&seed) % PAGES;
            unsigned count = (unsigned)rand_r(&seed) % (PAGES - first + 1) % 12;
            unsigned type = (unsigned)rand_r(&seed) % 4;

            memset(pages + first, (int)type, count);
            assert_true(memory_map_set(&map, first, first + count, type));
            assert_same(&map, pages);
        }
    }
}

static void cut_in_the_middle_needs_two_more_ranges(void **state)
{
    struct memory_map map = {ranges, 0, 2};

    (void)state;
    assert_true(memory_map_set(&map, 0, 10, BOOT_MEMORY_FREE));
    assert_false(memory_map_set(&map, 4, 6, BOOT_MEMORY_LULL));

    map = (struct memory_map){ranges, 0, 3};
    assert_true(memory_map_set(&map, 0, 10, BOOT_MEMORY_FREE));
    assert_true(memory_map_set(&map, 4, 6, BOOT_MEMORY_LULL));
    assert_int_equal(map.count, 3);
}

static void neighbours_of_one_type_merge(void **state)
{
    struct memory_map map = {ranges, 0, 3};

    (void)state;
    assert_true(memory_map_set(&map, 0, 4, BOOT_MEMORY_FREE));
    assert_true(memory_map_set(&map, 8, 12, BOOT_MEMORY_FREE));
    assert_true(memory_map_set(&map, 4, 8, BOOT_MEMORY_FREE));
    assert_int_equal(map.count, 1);
    assert_int_equal(map.range[0].end, 12);
}

static void nothing_is_nothing(void **state)
{
    struct memory_map map = {ranges, 0, 0};

    (void)state;
    assert_true(memory_map_set(&map, 5, 5, BOOT_MEMORY_FREE));
    assert_true(memory_map_set(&map, 6, 5, BOOT_MEMORY_FREE));
    assert_int_equal(map.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_cuts_leave_it_sorted_and_merged),
        cmocka_unit_test(cut_in_the_middle_needs_two_more_ranges),
        cmocka_unit_test(neighbours_of_one_type_merge),
        cmocka_unit_test(nothing_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
