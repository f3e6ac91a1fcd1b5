/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table engine: what a harvest finds in lines of leaves, whichever of them are dirty, and wherever
 * its bitmap begins. */
#include "lib/pt/line.h"
#include "tests/host/pt_fixture.h"
#include <stdlib.h>
#include <string.h>

#define PATTERNS 256 /* of one line */

static void every_pattern_of_a_line_is_found_and_cleared(void **state)
{
    static uint64_t line[PT_LINE_ENTRIES] __attribute__((aligned(CACHE_LINE)));

    (void)state;
    for (unsigned dirty = 0; dirty < PATTERNS; dirty++) {
        for (unsigned i = 0; i < PT_LINE_ENTRIES; i++)
            line[i] = HPA + i * PAGE_SIZE + 3 + (dirty >> i & 1 ? 1u << 9 : 1u << 8);
        assert_int_equal(pt_line_dirty(line, 1u << 9), dirty);
        assert_int_equal(pt_line_count(dirty), __builtin_popcount(dirty));
        pt_line_clear(line, dirty, 1u << 9);
        for (unsigned i = 0; i < PT_LINE_ENTRIES; i++)
            assert_int_equal(line[i], HPA + i * PAGE_SIZE + 3 + (dirty >> i & 1 ? 0 : 1u << 8));
    }
}

static void what_was_found_clean_is_not_cleared(void **state)
{
    uint64_t line[PT_LINE_ENTRIES] __attribute__((aligned(CACHE_LINE)));

    (void)state;
    memset(line, 0xff, sizeof line);
    pt_line_clear(line, 0x16, 1); /* entries 1, 2 and 4 */
    for (unsigned i = 0; i < PT_LINE_ENTRIES; i++)
        assert_int_equal(line[i], 0x16 >> i & 1 ? ~1ull : ~0ull);
}

static void the_bitmap_may_begin_at_any_page(void **state)
{
    (void)state;
    tree_make(1, 0);
    assert_int_equal(map(BASE, 4 * MIB, HPA), 0);
    srandom(1);
    for (unsigned before = 0; before <= 128; before++) {
        bool written[1024] = {false};
        unsigned count = 0;

        bitmap.iova = BASE - before * PAGE_SIZE;
        bitmap.last = bitmap.iova + WORDS * 64 * PAGE_SIZE - 1;
        memset(words, 0, sizeof words);
        for (unsigned i = 0; i < 1024; i++) {
            written[i] = random() % 100 < before % 101;
            count += written[i];
            if (written[i])
                device_access(BASE + i * PAGE_SIZE, true);
        }
        assert_int_equal(harvest(BASE, 4 * MIB, 0).dirty, count);
        assert_int_equal(bits_set(), count);
        for (unsigned i = 0; i < 1024; i++) {
            assert_int_equal(bitmap_test(words, before + i), written[i]);
            assert_false(dirty_at(BASE + i * PAGE_SIZE));
        }
    }
    tree_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_of_a_line_is_found_and_cleared),
        cmocka_unit_test(what_was_found_clean_is_not_cleared),
        cmocka_unit_test(the_bitmap_may_begin_at_any_page),
    };

    return pt_tests_run("pt_line", tests, ARRAY_SIZE(tests));
}
