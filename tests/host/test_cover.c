/* SPDX-License-Identifier: BSD-2-Clause */
/* How much is invalidated for a range, against a plain search and at its edges. */
#include "iommu/vtd/cover.h"
#include "lib/compiler.h"
#include "lib/units.h"
#include "tests/host/unit.h"
#include <string.h>

#define SPAN    256 /* pages that the search knows; a rounded range stays within them */
#define FIRST   70
#define PAGES   70
#define MASKS   8
#define WHOLE   0
#define ADDRESS (1ull << 57)

static unsigned cover(uint64_t first, uint64_t pages, unsigned mask_max, struct vtd_block *blocks)
{
    return vtd_cover_range(first * PAGE_SIZE, (first + pages) * PAGE_SIZE - 1, mask_max, blocks);
}

/* --- every small range --- */

/* Each page of the range is in a block, none is in two; blocks are aligned and not larger than the unit
 * takes. Returns the pages beside the range. */
static unsigned check_blocks(unsigned first, unsigned pages, unsigned mask_max,
                             const struct vtd_block *blocks, unsigned count)
{
    uint8_t covered[SPAN] = {0};
    unsigned total = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t page = blocks[i].iova / PAGE_SIZE;

        assert_true(blocks[i].mask <= mask_max);
        assert_int_equal(blocks[i].iova % (PAGE_SIZE << blocks[i].mask), 0);
        assert_true(page + (1u << blocks[i].mask) <= SPAN);
        for (unsigned n = 0; n < 1u << blocks[i].mask; n++) {
            assert_int_equal(covered[page + n]++, 0);
            total++;
        }
    }
    for (unsigned n = 0; n < pages; n++)
        assert_int_equal(covered[first + n], 1);
    return total - pages;
}

/* fewest[a][b]: blocks that are exactly [a, b), by trying each block that could be the first. */
static uint16_t fewest[SPAN + 1][SPAN + 1];

static void search(unsigned mask_max)
{
    for (unsigned b = 1; b <= SPAN; b++)
        for (unsigned a = b; a--;) {
            fewest[b][b] = 0;
            fewest[a][b] = UINT16_MAX;
            for (unsigned size = 1; size <= 1u << mask_max && a + size <= b && a % size == 0; size *= 2)
                if (fewest[a + size][b] + 1 < fewest[a][b])
                    fewest[a][b] = (uint16_t)(fewest[a + size][b] + 1);
        }
}

static unsigned cheapest(unsigned first, unsigned pages, unsigned mask_max)
{
    unsigned best = UINT16_MAX;

    for (unsigned size = 1; size <= 1u << mask_max; size *= 2) {
        unsigned a = first / size * size, b = (first + pages + size - 1) / size * size;
        unsigned cost = fewest[a][b] + (b - a) - pages;

        best = cost < best ? cost : best;
    }
    return best;
}

static void every_small_range_is_covered_as_cheaply_as_a_search_finds(void **state)
{
    unsigned whole = 0, wider = 0, exact = 0;

    (void)state;
    for (unsigned mask_max = 0; mask_max < MASKS; mask_max++) {
        search(mask_max);
        for (unsigned first = 0; first < FIRST; first++)
            for (unsigned pages = 1; pages <= PAGES; pages++) {
                struct vtd_block blocks[VTD_COVER_MAX];
                unsigned count = cover(first, pages, mask_max, blocks);
                unsigned best = cheapest(first, pages, mask_max), beside;

                assert_int_equal(count == 0, best > VTD_COVER_OTHERS);
                whole += count == 0;
                if (!count)
                    continue;
                beside = check_blocks(first, pages, mask_max, blocks, count);
                assert_int_equal(count + beside, best);
                wider += beside != 0;
                exact += beside == 0;
            }
    }
    assert_true(whole > 1000 && wider > 1000 && exact > 1000);
}

/* --- edges --- */

static void one_page_is_one_block_of_one_page(void **state)
{
    static const uint64_t pages[] = {0, 1, 0x40000, (ADDRESS >> PAGE_LG2) - 1};
    struct vtd_block blocks[VTD_COVER_MAX];

    (void)state;
    for (unsigned mask_max = 0; mask_max < 64; mask_max++)
        for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
            assert_int_equal(cover(pages[i], 1, mask_max, blocks), 1);
            assert_int_equal(blocks[0].iova, pages[i] * PAGE_SIZE);
            assert_int_equal(blocks[0].mask, 0);
        }
}

struct edge {
    const char *what;
    uint64_t first, pages;
    unsigned mask_max, count;
    struct vtd_block block; /* the first */
};

static const struct edge edges[] = {
    {"a large page", 512, 512, 18, 1, {0x200000, 9}},
    {"a large page, in halves: a leaf may be as large", 512, 512, 8, WHOLE, {0, 0}},
    {"the largest leaf, in large pages", 1 << 18, 1 << 18, 17, WHOLE, {0, 0}},
    {"half a large page, in quarters of it", 512, 256, 6, 4, {0x200000, 6}},
    {"in eighths", 512, 256, 5, 8, {0x200000, 5}},
    {"in sixteenths", 512, 256, 4, WHOLE, {0, 0}},
    {"eight single pages", 3, 8, 0, 8, {0x3000, 0}},
    {"nine single pages", 3, 9, 0, WHOLE, {0, 0}},
    {"two pages across a boundary: two blocks, two beside cost more", 1, 2, 18, 2, {0x1000, 0}},
    {"six of eight pages: two beside save three blocks", 1, 6, 18, 1, {0, 3}},
    {"seven of eight pages", 1, 7, 18, 1, {0, 3}},
    {"seven of eight in blocks of four: a tie, so none beside", 1, 7, 2, 3, {0x1000, 0}},
    {"1 GiB but for a page at either end", 1, (1 << 18) - 2, 18, 1, {0, 18}},
    {"the same in blocks of 2 MiB", 1, (1 << 18) - 2, 9, WHOLE, {0, 0}},
    {"1 GiB but for four pages at either end", 4, (1 << 18) - 8, 18, WHOLE, {0, 0}},
    {"all addresses", 0, ADDRESS >> PAGE_LG2, 18, WHOLE, {0, 0}},
    {"all addresses, as one block", 0, ADDRESS >> PAGE_LG2, 63, 1, {0, 45}},
    {"all but the first page", 1, (ADDRESS >> PAGE_LG2) - 1, 63, 1, {0, 45}},
    {"the last eight pages of all", (ADDRESS >> PAGE_LG2) - 8, 8, 18, 1, {ADDRESS - 0x8000, 3}},
};

static void edges_of_the_rule(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(edges); i++) {
        const struct edge *edge = &edges[i];
        struct vtd_block blocks[VTD_COVER_MAX];
        unsigned count = cover(edge->first, edge->pages, edge->mask_max, blocks);

        if (count != edge->count || (count && memcmp(&blocks[0].iova, &edge->block.iova, 8) != 0) ||
            (count && blocks[0].mask != edge->block.mask))
            fail_msg("%s: %u blocks, of which the first is %#llx, mask %u", edge->what, count,
                     (unsigned long long)(count ? blocks[0].iova : 0), count ? blocks[0].mask : 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_range_is_covered_as_cheaply_as_a_search_finds),
        cmocka_unit_test(one_page_is_one_block_of_one_page),
        cmocka_unit_test(edges_of_the_rule),
    };

    return cmocka_run_group_tests_name("cover", tests, NULL, NULL);
}
