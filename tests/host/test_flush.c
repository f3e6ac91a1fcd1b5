/* SPDX-License-Identifier: BSD-2-Clause */
/* What a range becomes on its way to the invalidation queue, and under which domain id. */
#include "iommu/vtd/cover.h"
#include "iommu/vtd/did.h"
#include "iommu/vtd/flush.h"
#include "lib/units.h"
#include "tests/host/unit.h"

#define IOVA 0x40000000ull

static void a_domain_id_rests_until_all_others_were_used(void **state)
{
    (void)state;
    assert_int_equal(vtd_did_init(4), 0);
    assert_int_equal(vtd_did_alloc(), 1);
    assert_int_equal(vtd_did_alloc(), 2);
    vtd_did_free(1);
    assert_int_equal(vtd_did_alloc(), 3);
    assert_int_equal(vtd_did_alloc(), 1);
    assert_int_equal(vtd_did_alloc(), 0);
    vtd_did_free(2);
    assert_int_equal(vtd_did_alloc(), 2);
}

/* The descriptors are the blocks of the range's cover, one after the other. */
static void assert_plan_fits(const struct vtd_flush *flush, const struct vtd_limits *limits,
                             const struct gather *gather)
{
    uint64_t first = flush->descriptors[0].word[1] & VTD_PAGE_ADDRESS, next = first;

    for (unsigned i = 0; i < flush->count; i++) {
        uint64_t word = flush->descriptors[i].word[1];
        unsigned mask = word & 0x3f;
        uint64_t bytes = PAGE_SIZE << mask;

        assert_true(mask <= limits->mask_max);
        assert_int_equal(word & VTD_PAGE_ADDRESS, next);
        assert_true(is_aligned(next, bytes));
        assert_int_equal(!(word & VTD_DESCRIPTOR_IH), gather_has_tables(gather));
        next += bytes;
    }
    assert_true(first <= gather->iova && next > gather->last);
    assert_true(next - first - (gather->last + 1 - gather->iova) < VTD_COVER_OTHERS * PAGE_SIZE);
}

static void ranges_become_aligned_pieces_or_the_whole_domain(void **state)
{
    struct vtd_limits limits = {.mask_max = 18, .page_selective = true};
    unsigned whole = 0;

    (void)state;
    for (uint64_t i = 0; i < 4096; i++) {
        uint64_t first = i % 67 + (i % 5 ? 0 : 1ull << 35) + (i % 3 ? 0 : 512);
        uint64_t pages = 1 + i * i % 5003;
        struct vtd_flush flush;
        struct gather gather;

        limits.mask_max = i % 2 ? 18 : 9;
        gather_init(&gather);
        gather_add_range(&gather, first * PAGE_SIZE, (first + pages) * PAGE_SIZE - 1);
        gather.table_count = i % 7 == 0;
        vtd_flush_plan(&flush, &limits, true, 9, &gather);
        assert_int_equal(flush.descriptors[0].word[0] >> 16 & 0xffff, 9);
        if ((flush.descriptors[0].word[0] >> 4 & 3) == 3) {
            assert_plan_fits(&flush, &limits, &gather);
        } else {
            assert_int_equal(flush.count, 1);
            whole++;
        }
    }
    assert_in_range(whole, 1, 4000);
}

static void without_page_selection_the_whole_domain_goes(void **state)
{
    const struct vtd_limits limits = {.mask_max = 18, .page_selective = false};
    struct vtd_flush flush;
    struct gather gather;

    (void)state;
    gather_init(&gather);
    gather_add_range(&gather, IOVA, IOVA + 0xfff);
    vtd_flush_plan(&flush, &limits, true, 9, &gather);
    assert_int_equal(flush.count, 1);
    assert_int_equal(flush.descriptors[0].word[0] >> 4 & 3, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_domain_id_rests_until_all_others_were_used),
        cmocka_unit_test(ranges_become_aligned_pieces_or_the_whole_domain),
        cmocka_unit_test(without_page_selection_the_whole_domain_goes),
    };

    return cmocka_run_group_tests_name("flush", tests, NULL, NULL);
}
