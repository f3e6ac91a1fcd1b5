/* SPDX-License-Identifier: BSD-2-Clause */
/* The page allocator: blocks, merging, uses, and memory with holes. */
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <stdlib.h>
#include <string.h>

static uint64_t free_pages(void)
{
    struct page_alloc_stats stats;

    page_alloc_stats(&stats);
    return stats.free_pages;
}

static void blocks_are_aligned_and_zero(void **state)
{
    uint64_t before = free_pages();

    (void)state;
    for (unsigned order = 0; order <= 12; order++) {
        uint8_t *block = pages_alloc(order, PAGE_HYPERVISOR);

        assert_non_null(block);
        assert_true(is_aligned(virt_to_phys(block), PAGE_SIZE << order));
        for (uint64_t i = 0; i < PAGE_SIZE << order; i += 512)
            assert_int_equal(block[i], 0);
        memset(block, 0xa5, PAGE_SIZE << order);
        pages_free(block);
        assert_int_equal(free_pages(), before);
    }
}

static void a_whole_gigabyte_is_one_block_again_after_use(void **state)
{
    void *pages[1000];
    void *gigabyte = pages_alloc(PAGE_ORDER_MAX, PAGE_DMA);

    (void)state;
    assert_non_null(gigabyte);
    pages_free(gigabyte);
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        assert_non_null(pages[i] = pages_alloc(i % 3, PAGE_HYPERVISOR));
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        pages_free(pages[i * 7 % ARRAY_SIZE(pages)]);
    gigabyte = pages_alloc(PAGE_ORDER_MAX, PAGE_DMA);
    assert_non_null(gigabyte);
    pages_free(gigabyte);
}

static void use_is_known_of_each_page(void **state)
{
    uint8_t *dma = pages_alloc(3, PAGE_DMA);
    uint64_t hpa = virt_to_phys(dma);

    (void)state;
    assert_true(pages_all_in_use(hpa, hpa + 8 * PAGE_SIZE - 1, PAGE_DMA));
    assert_false(pages_all_in_use(hpa, hpa + 8 * PAGE_SIZE, PAGE_DMA));
    assert_false(pages_all_in_use(hpa, hpa, PAGE_HYPERVISOR));
    pages_free(dma);
    assert_false(pages_all_in_use(hpa, hpa, PAGE_DMA));
    assert_false(pages_all_in_use(0, 0, PAGE_DMA));
    assert_false(pages_all_in_use(1ull << 60, 1ull << 60, PAGE_DMA));
}

static void what_is_known_is_found_in_any_range(void **state)
{
    (void)state;
    assert_true(pages_any_known(GIB, GIB));
    assert_true(pages_any_known(3 * GIB - 1, 4 * GIB));
    assert_true(pages_any_known(0, ~0ull));
    assert_false(pages_any_known(0, GIB - 1));
    assert_false(pages_any_known(4 * GIB, ~0ull)); /* in this life */
}

static void live_blocks_never_overlap(void **state)
{
    enum { BLOCKS = 300 };
    uint64_t *blocks[BLOCKS] = {NULL};
    unsigned orders[BLOCKS];
    uint64_t before = free_pages();

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = (unsigned)rand() % BLOCKS;

        if (blocks[i]) {
            assert_int_equal(blocks[i][0], i);
            assert_int_equal(blocks[i][(PAGE_SIZE << orders[i]) / 8 - 1], i);
            pages_free(blocks[i]);
            blocks[i] = NULL;
        } else {
            orders[i] = (unsigned)rand() % 5;
            blocks[i] = pages_alloc(orders[i], PAGE_HYPERVISOR);
            blocks[i][0] = i;
            blocks[i][(PAGE_SIZE << orders[i]) / 8 - 1] = i;
        }
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (blocks[i])
            pages_free(blocks[i]);
    assert_int_equal(free_pages(), before);
}

static void memory_runs_out_and_comes_back(void **state)
{
    uint64_t before = free_pages();
    void *page;

    (void)state;
    host_leave_pages(1);
    assert_non_null(page = pages_alloc(0, PAGE_HYPERVISOR));
    assert_null(pages_alloc(0, PAGE_HYPERVISOR));
    pages_free(page);
    host_release_pages();
    assert_int_equal(free_pages(), before);
}

static void memory_given_twice_or_out_of_reach_is_refused(void **state)
{
    uint64_t before = free_pages();

    (void)state;
    assert_int_equal(page_alloc_add(GIB + 64 * MIB, GIB + 65 * MIB), ERR_RANGE);
    assert_int_equal(page_alloc_add(1ull << 48, (1ull << 48) + MIB), ERR_RANGE);
    assert_int_equal(page_alloc_add(GIB, GIB), 0);
    assert_int_equal(free_pages(), before);
}

static void a_range_behind_a_hole_is_taken_in(void **state)
{
    uint64_t before = free_pages();

    (void)state;
    /* host_memory_init() reserved 3 GiB of addresses and gave 2; a few pages of the third, unaligned at both
     * ends. */
    assert_int_equal(page_alloc_add(3 * GIB + 100, 3 * GIB + 10 * PAGE_SIZE + 100), 0);
    /* A section's struct pages came off the rest. */
    assert_true(free_pages() < before);
    assert_non_null(page_of(phys_to_virt(3 * GIB + PAGE_SIZE)));
    assert_null(page_of(phys_to_virt(3 * GIB)));
    assert_null(page_of(phys_to_virt(3 * GIB + 10 * PAGE_SIZE)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_zero),
        cmocka_unit_test(a_whole_gigabyte_is_one_block_again_after_use),
        cmocka_unit_test(use_is_known_of_each_page),
        cmocka_unit_test(what_is_known_is_found_in_any_range),
        cmocka_unit_test(live_blocks_never_overlap),
        cmocka_unit_test(memory_runs_out_and_comes_back),
        cmocka_unit_test(memory_given_twice_or_out_of_reach_is_refused),
        cmocka_unit_test(a_range_behind_a_hole_is_taken_in),
    };

    host_memory_init(2 * GIB);
    return cmocka_run_group_tests_name("page_alloc", tests, NULL, NULL);
}
