/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table engine against a plain array of pages, over random operations. */
#include "lib/error.h"
#include "tests/host/pt_fixture.h"
#include "tests/host/tree.h"
#include <stdlib.h>
#include <string.h>

/* The oracle: an array of pages, against random operations over three windows of 8 MiB each beside a 1 GiB
 * boundary. */

#define ORACLE_PAGES 4096u

static uint64_t oracle[ORACLE_PAGES]; /* hpa, or 0 */
static bool oracle_dirty[ORACLE_PAGES];

static uint64_t oracle_iova(unsigned page)
{
    return BASE + GIB - ORACLE_PAGES / 2 * PAGE_SIZE + page * PAGE_SIZE;
}

static bool oracle_range_is_empty(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        if (oracle[i])
            return false;
    return true;
}

static void oracle_map(unsigned first, unsigned count)
{
    uint64_t skew = rand() % 2 ? 0 : PAGE_SIZE;
    uint64_t hpa = HPA + (oracle_iova(first) & (2 * MIB - 1)) + skew;
    uint64_t end;
    bool empty = oracle_range_is_empty(first, count);
    int error =
        pt_x86_64.map(&pt, oracle_iova(first), oracle_iova(first + count) - 1, hpa, PT_READ | PT_WRITE, &end);

    assert_int_equal(error, empty ? 0 : ERR_EXISTS);
    assert_int_equal(end == oracle_iova(first + count), empty);
    for (unsigned i = first; oracle_iova(i) < end; i++)
        oracle[i] = hpa + (i - first) * PAGE_SIZE;
}

static void oracle_unmap(unsigned first, unsigned count)
{
    memset(words, 0, sizeof words);
    if (unmap(oracle_iova(first), count * PAGE_SIZE, &bitmap, NULL))
        return;
    for (unsigned i = first; i < first + count; i++) {
        assert_int_equal(bitmap_test(words, i), oracle_dirty[i]);
        oracle[i] = 0;
        oracle_dirty[i] = false;
    }
}

static void oracle_write(unsigned page)
{
    struct pt_leaf leaf;
    uint64_t hpa;

    assert_int_equal(tree_access(&tree_through_cache, &pt, oracle_iova(page), true, &hpa), oracle[page] != 0);
    if (!oracle[page])
        return;
    assert_int_equal(hpa, oracle[page]);
    assert_true(pt_x86_64.lookup(&pt, oracle_iova(page), &leaf));
    for (unsigned i = 0; i < ORACLE_PAGES; i++)
        if (oracle_iova(i) >= leaf.iova && oracle_iova(i) - leaf.iova < PT_ENTRY_SIZE(leaf.level))
            oracle_dirty[i] = true;
}

static void oracle_harvest(void)
{
    memset(words, 0, sizeof words);
    (void)harvest(oracle_iova(0), ORACLE_PAGES * PAGE_SIZE, 0);
    for (unsigned i = 0; i < ORACLE_PAGES; i++) {
        assert_int_equal(bitmap_test(words, i), oracle_dirty[i]);
        oracle_dirty[i] = false;
    }
}

static void random_operations_agree_with_a_plain_array(void **state)
{
    static const unsigned level_counts[] = {3, 4, 5};

    (void)state;
    for (unsigned round = 0; round < ARRAY_SIZE(level_counts); round++) {
        srand(round + 1);
        tree_make(level_counts[round], 7, round == 1 ? PT_INCOHERENT : 0);
        bitmap.iova = oracle_iova(0);
        bitmap.last = oracle_iova(ORACLE_PAGES) - 1;
        for (unsigned step = 0; step < 6000; step++) {
            unsigned count = 1u << rand() % 12;
            unsigned first = (unsigned)rand() % (ORACLE_PAGES - count + 1);

            if (rand() % 2)
                first &= ~511u & ~(count - 1);
            switch (rand() % 8) {
            case 0:
            case 1:
                oracle_map(first, count);
                break;
            case 2:
            case 3:
                oracle_unmap(first, count);
                break;
            case 4:
                oracle_harvest();
                break;
            default:
                oracle_write(first);
            }
        }
        tree_free();
        memset(oracle, 0, sizeof oracle);
        memset(oracle_dirty, 0, sizeof oracle_dirty);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_a_plain_array),
    };

    return pt_tests_run("pt_random", tests, ARRAY_SIZE(tests));
}
