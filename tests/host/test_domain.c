/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains on hardware that only takes notes: the order of unmap, what is refused, and what happens when an
 * invalidation fails. */
#include "iommu/domain.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/rcu_pages.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <string.h>

#define BASE 0x100000000ull

static struct {
    unsigned invalidations;
    int result;
    bool had_tables;
    uint64_t iova, last;
    uint64_t pages_done;                         /* freed by RCU when the invalidation ran */
    void (*during)(struct iommu_domain *domain); /* what a device does meanwhile */
} hardware;

static int fake_init(struct iommu_domain *domain)
{
    domain->pt_ops = &pt_x86_64;
    domain->id = 7;
    domain->tracks_dirty = true;
    domain->untranslated_iova = 0xfee00000;
    domain->untranslated_end = 0xfef00000;
    return pt_init(&domain->pt, 4, 7, 47, 0);
}

static void fake_destroy(struct iommu_domain *domain)
{
    pt_destroy(&domain->pt);
}

static int fake_invalidate(struct iommu_domain *domain, const struct gather *gather)
{
    struct rcu_pages_stats stats;

    rcu_pages_stats(&stats);
    hardware.invalidations++;
    hardware.had_tables = gather_has_tables(gather);
    hardware.iova = gather->iova;
    hardware.last = gather->last;
    hardware.pages_done = stats.freed;
    if (hardware.during)
        hardware.during(domain);
    return hardware.result;
}

static const struct iommu_domain_ops rcu_ops = {
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
    .init = fake_init,
    .destroy = fake_destroy,
    .invalidate = fake_invalidate,
};

static const struct iommu_domain_ops locked_ops = {
    .init = fake_init,
    .destroy = fake_destroy,
    .invalidate = fake_invalidate,
};

static uint64_t dma; /* 4 MiB of memory for devices */
static uint64_t words[32];
static struct dirty_bitmap bitmap = {words, BASE, BASE + sizeof words * 8 * PAGE_SIZE - 1};

static struct iommu_domain *domain_make(const struct iommu_domain_ops *ops)
{
    int error;
    struct iommu_domain *domain = iommu_domain_create_with(ops, "test", &error);

    assert_int_equal(error, 0);
    memset(&hardware, 0, sizeof hardware);
    memset(words, 0, sizeof words);
    if (ops == &rcu_ops)
        assert_int_equal(iommu_domain_track(domain, &(struct iommu_track){.how = IOMMU_TRACKING_DIRTY_BITS,
                                                                          .level = PT_LEAF_LEVEL_MAX}),
                         0);
    return domain;
}

static void domain_free(struct iommu_domain *domain)
{
    hardware.result = 0;
    hardware.during = NULL;
    assert_int_equal(iommu_domain_destroy(domain), 0);
    rcu_barrier();
}

static int map(struct iommu_domain *domain, uint64_t iova, uint64_t bytes)
{
    return iommu_map(domain, iova, iova + bytes - 1, dma + (iova & (4 * MIB - 1)), PT_READ | PT_WRITE);
}

static void device_write(struct iommu_domain *domain, uint64_t iova)
{
    uint64_t hpa;

    assert_true(tree_access(&tree_through_cache, &domain->pt, iova, true, &hpa));
}

static void unmap_invalidates_before_it_frees(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);
    struct rcu_pages_stats before, after;

    (void)state;
    rcu_pages_stats(&before);
    assert_int_equal(map(domain, BASE, 2 * MIB - PAGE_SIZE), 0);
    assert_int_equal(iommu_unmap(domain, BASE, BASE + 2 * MIB - 1, NULL), 0);
    assert_int_equal(hardware.invalidations, 1);
    assert_true(hardware.had_tables);
    assert_true(hardware.iova <= BASE && hardware.last >= BASE + 2 * MIB - 1);
    assert_int_equal(hardware.pages_done, before.freed);
    rcu_pages_stats(&after);
    assert_int_equal(after.freed, before.freed); /* the grace period has not passed */
    assert_true(rcu_callbacks_pending());
    rcu_barrier();
    rcu_pages_stats(&after);
    assert_int_equal(after.freed - before.freed, 3); /* those that became empty went with it */
    domain_free(domain);
}

static uint64_t neighbour;

static void unmap_neighbour(struct iommu_domain *domain)
{
    hardware.during = NULL;
    assert_int_equal(iommu_unmap(domain, neighbour, neighbour + PAGE_SIZE - 1, NULL), 0);
}

/* Of the tables above both pages, which neither could free while the other had an entry there frozen. */
static void what_a_neighbour_leaves_empty_during_the_invalidation_goes(void **state)
{
    static const struct {
        uint64_t iova, bytes, neighbour; /* the tables meet at the beginning of the range, and at its end */
    } cases[] = {
        {BASE, PAGE_SIZE, BASE + 2 * MIB},
        {BASE + GIB - PAGE_SIZE, 2 * PAGE_SIZE, BASE + GIB + 2 * MIB},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct iommu_domain *domain = domain_make(&rcu_ops);

        neighbour = cases[i].neighbour;
        assert_int_equal(map(domain, cases[i].iova, PAGE_SIZE), 0);
        assert_int_equal(map(domain, cases[i].iova + cases[i].bytes - PAGE_SIZE, PAGE_SIZE),
                         cases[i].bytes > PAGE_SIZE ? 0 : ERR_EXISTS);
        assert_int_equal(map(domain, neighbour, PAGE_SIZE), 0);
        hardware.during = unmap_neighbour;
        assert_int_equal(iommu_unmap(domain, cases[i].iova, cases[i].iova + cases[i].bytes - 1, NULL), 0);
        assert_int_equal(domain->pt.tables, 1);
        domain_free(domain);
    }
}

static void a_single_page_asks_for_leaves_only(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);

    (void)state;
    assert_int_equal(map(domain, BASE, 2 * PAGE_SIZE), 0);
    assert_int_equal(iommu_unmap(domain, BASE, BASE + PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(hardware.invalidations, 1);
    assert_false(hardware.had_tables);
    assert_int_equal(iommu_unmap(domain, BASE + 8 * PAGE_SIZE, BASE + 9 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(hardware.invalidations, 1); /* nothing was there */
    domain_free(domain);
}

static struct page *walked_table;

/* The device still has the detached table cached, and writes through it until the invalidation completes. */
static void write_through_cached_table(struct iommu_domain *domain)
{
    uint64_t *table = page_address(walked_table);

    (void)domain;
    table[3] |= 0x60;
}

static void unmap_harvests_after_the_invalidation(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);
    uint64_t *table;

    (void)state;
    assert_int_equal(map(domain, BASE, 2 * MIB - PAGE_SIZE), 0);
    table = phys_to_virt(domain->pt.root[0] & 0xffffffffff000ull);
    table = phys_to_virt(table[BASE / GIB] & 0xffffffffff000ull);
    walked_table = page_of(phys_to_virt(table[0] & 0xffffffffff000ull));
    hardware.during = write_through_cached_table;
    assert_int_equal(iommu_unmap(domain, BASE, BASE + 2 * MIB - 1, &bitmap), 0);
    assert_int_equal(words[0], 1u << 3);
    domain_free(domain);
}

static void a_failed_invalidation_keeps_the_tables_and_reports_all(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);
    struct iommu_domain_info info;
    struct rcu_pages_stats before, after;

    (void)state;
    rcu_pages_stats(&before);
    assert_int_equal(map(domain, BASE, 2 * MIB - PAGE_SIZE), 0);
    hardware.result = ERR_TIMEOUT;
    assert_int_equal(iommu_unmap(domain, BASE, BASE + 2 * MIB - 1, &bitmap), ERR_TIMEOUT);
    assert_int_equal(words[0], ~0ull);
    assert_int_equal(words[7], ~0ull);
    iommu_domain_info(domain, &info);
    assert_int_equal(info.quarantined, 3);
    rcu_barrier();
    rcu_pages_stats(&after);
    assert_int_equal(after.queued, before.queued);
    assert_non_null(strstr(host_log(), "not invalidated: no answer in time"));
    assert_int_equal(iommu_domain_destroy(domain), ERR_TIMEOUT);
    iommu_domain_info(domain, &info);
    assert_int_equal(info.quarantined, 3);
    hardware.result = 0;
    domain_free(domain);
}

/* As long as a unit may have the large leaf, who changes a part of it invalidates all of that. */
static void a_split_that_was_not_confirmed_is_open_until_it_is(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);

    (void)state;
    assert_int_equal(map(domain, BASE, 2 * MIB), 0);
    hardware.result = ERR_TIMEOUT;
    assert_int_equal(iommu_split(domain, BASE, BASE + 2 * MIB - 1, 0), ERR_TIMEOUT);
    hardware.result = 0;
    assert_int_equal(iommu_unmap(domain, BASE, BASE + PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(hardware.last - hardware.iova + 1, GIB);
    assert_int_equal(iommu_domain_release_quarantine(domain), 0);
    assert_int_equal(iommu_unmap(domain, BASE + PAGE_SIZE, BASE + 2 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(hardware.last - hardware.iova + 1, PAGE_SIZE);
    domain_free(domain);
}

static void map_refuses_what_no_device_may_reach(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);
    uint64_t hypervisor = virt_to_phys(domain->pt.root);
    struct pt_leaf leaf;

    (void)state;
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, hypervisor, PT_READ), ERR_FORBIDDEN);
    assert_int_equal(iommu_map(domain, BASE, BASE + 8 * MIB - 1, dma, PT_READ), ERR_FORBIDDEN);
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, 0xfed90000, PT_READ), ERR_FORBIDDEN);
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, dma + 1, PT_READ), ERR_INVALID);
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, dma, PT_WRITE), ERR_INVALID);
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, dma, 5), ERR_INVALID);
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, ~0xfffull, PT_READ), ERR_FORBIDDEN);
    assert_int_equal(iommu_map(domain, 0xfee00000, 0xfee00fff, dma, PT_READ), ERR_RANGE);
    assert_int_equal(iommu_map(domain, 0xfedff000, 0xfee00fff, dma, PT_READ), ERR_RANGE);
    assert_int_equal(iommu_map(domain, 0xfeeff000, 0xfef00fff, dma, PT_READ), ERR_RANGE);
    assert_int_equal(iommu_map(domain, 1ull << 47, (1ull << 47) + 0xfff, dma, PT_READ), ERR_RANGE);
    assert_int_equal(iommu_map(domain, BASE, BASE + 100, dma, PT_READ), ERR_INVALID);
    assert_false(iommu_lookup(domain, BASE, &leaf));
    assert_int_equal(domain->pt.tables, 1);
    assert_int_equal(map(domain, 0xfedff000, PAGE_SIZE), 0);
    assert_int_equal(map(domain, 0xfef00000, PAGE_SIZE), 0);
    domain_free(domain);
}

/* Memory that the allocator has nothing to do with is mapped when the platform says so, all of it. */
static void memory_of_others_is_mapped_if_the_platform_says_so(void **state)
{
    const uint64_t others = 1ull << 40;
    struct iommu_domain *domain = domain_make(&rcu_ops);
    struct pt_leaf leaf;

    (void)state;
    host_set_for_devices(others, others + 2 * MIB - 1);
    assert_int_equal(iommu_map(domain, BASE, BASE + 2 * MIB - 1, others, PT_READ), 0);
    assert_true(iommu_lookup(domain, BASE, &leaf));
    assert_int_equal(leaf.hpa, others);
    assert_int_equal(leaf.level, 1);
    assert_int_equal(iommu_unmap(domain, BASE, BASE + 2 * MIB - 1, NULL), 0);
    assert_int_equal(iommu_map(domain, BASE, BASE + 2 * MIB - 1, others + PAGE_SIZE, PT_READ), ERR_FORBIDDEN);
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, others - PAGE_SIZE, PT_READ),
                     ERR_FORBIDDEN);
    assert_false(iommu_lookup(domain, BASE, &leaf));
    host_set_for_devices(1, 0);
    domain_free(domain);
}

/* A platform that says yes to everything. */
static void what_the_allocator_keeps_is_not_the_platforms_to_give(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);
    uint64_t own = virt_to_phys(domain->pt.root);
    uint64_t none = dma + 4 * MIB; /* free, or Lull's own */
    struct page_alloc_stats stats;
    struct pt_leaf leaf;

    (void)state;
    page_alloc_stats(&stats);
    host_set_for_devices(0, ~0ull);
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, own, PT_READ), ERR_FORBIDDEN);
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, none, PT_READ), ERR_FORBIDDEN);
    /* From below all that there is into it, and from the last page of it out. */
    assert_int_equal(iommu_map(domain, BASE, BASE + 2 * PAGE_SIZE - 1, GIB - PAGE_SIZE, PT_READ),
                     ERR_FORBIDDEN);
    assert_int_equal(
        iommu_map(domain, BASE, BASE + 2 * PAGE_SIZE - 1, GIB + (stats.total_pages - 1) * PAGE_SIZE, PT_READ),
        ERR_FORBIDDEN);
    /* Beyond what an entry can hold. */
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, 1ull << 52, PT_READ), ERR_FORBIDDEN);
    assert_int_equal(iommu_map(domain, BASE, BASE + 2 * PAGE_SIZE - 1, (1ull << 52) - PAGE_SIZE, PT_READ),
                     ERR_FORBIDDEN);
    assert_false(iommu_lookup(domain, BASE, &leaf));
    assert_int_equal(domain->pt.tables, 1);
    assert_int_equal(iommu_map(domain, BASE, BASE + PAGE_SIZE - 1, (1ull << 52) - PAGE_SIZE, PT_READ), 0);
    host_set_for_devices(1, 0);
    domain_free(domain);
}

static void a_map_that_fails_leaves_nothing_behind(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);
    struct pt_leaf leaf;

    (void)state;
    assert_int_equal(map(domain, BASE + 16 * PAGE_SIZE, PAGE_SIZE), 0);
    assert_int_equal(map(domain, BASE, 32 * PAGE_SIZE), ERR_EXISTS);
    assert_false(iommu_lookup(domain, BASE, &leaf));
    assert_false(iommu_lookup(domain, BASE + 15 * PAGE_SIZE, &leaf));
    assert_true(iommu_lookup(domain, BASE + 16 * PAGE_SIZE, &leaf));
    assert_int_equal(hardware.invalidations, 1); /* a device may have used it for a moment */
    assert_int_equal(hardware.last, BASE + 16 * PAGE_SIZE - 1);
    /* And when it may be using it still, the caller hears of that. */
    hardware.result = ERR_TIMEOUT;
    assert_int_equal(map(domain, BASE, 32 * PAGE_SIZE), ERR_TIMEOUT);
    assert_false(iommu_lookup(domain, BASE, &leaf));
    domain_free(domain);
}

static void harvest_invalidates_what_it_cleared_and_only_that(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);
    struct harvest_stats stats = {0};

    (void)state;
    assert_int_equal(map(domain, BASE, 4 * MIB - PAGE_SIZE), 0);
    assert_int_equal(iommu_harvest(domain, BASE, BASE + 4 * MIB - 1, &bitmap, 0, &stats), 0);
    assert_int_equal(hardware.invalidations, 0);
    device_write(domain, BASE + 2 * MIB + 8 * PAGE_SIZE);
    device_write(domain, BASE + 2 * MIB + 70 * PAGE_SIZE);
    assert_int_equal(iommu_harvest(domain, BASE, BASE + 4 * MIB - 1, &bitmap, HARVEST_KEEP, &stats), 0);
    assert_int_equal(hardware.invalidations, 0);
    assert_int_equal(iommu_harvest(domain, BASE, BASE + 4 * MIB - 1, &bitmap, 0, &stats), 0);
    assert_int_equal(hardware.invalidations, 1);
    assert_false(hardware.had_tables);
    assert_int_equal(hardware.iova, BASE + 2 * MIB + 8 * PAGE_SIZE);
    assert_int_equal(hardware.last, BASE + 2 * MIB + 71 * PAGE_SIZE - 1);
    hardware.result = ERR_TIMEOUT;
    device_write(domain, BASE + 2 * MIB);
    assert_int_equal(iommu_harvest(domain, BASE, BASE + 4 * MIB - 1, &bitmap, 0, NULL), ERR_TIMEOUT);
    assert_true(bitmap_test(words, 512));
    domain_free(domain);
}

static void harvest_all(struct iommu_domain *domain, int result, int expected)
{
    hardware.result = result;
    hardware.invalidations = 0;
    words[0] = 0;
    assert_int_equal(iommu_harvest(domain, BASE, BASE + 4 * MIB - 1, &bitmap, 0, NULL), expected);
}

/* A device may go on through a translation that says "dirty is set already": whichever harvest comes next has
 * it invalidated, until one of them is confirmed. */
static void what_a_failed_harvest_cleared_is_invalidated_by_the_next(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);

    (void)state;
    assert_int_equal(map(domain, BASE, 2 * MIB - PAGE_SIZE), 0);
    device_write(domain, BASE + 5 * PAGE_SIZE);
    harvest_all(domain, ERR_TIMEOUT, ERR_TIMEOUT);
    assert_int_equal(words[0], 1u << 5); /* which its owner keeps */
    harvest_all(domain, ERR_TIMEOUT, ERR_TIMEOUT);
    assert_int_equal(words[0], 0);
    assert_int_equal(hardware.invalidations, 1);
    hardware.result = 0;
    /* Of another range. */
    assert_int_equal(iommu_harvest(domain, BASE + 2 * MIB, BASE + 4 * MIB - 1, &bitmap, 0, NULL), 0);
    assert_int_equal(hardware.invalidations, 2);
    assert_true(hardware.iova <= BASE + 5 * PAGE_SIZE && hardware.last >= BASE + 6 * PAGE_SIZE - 1);
    assert_true(hardware.had_tables);
    harvest_all(domain, 0, 0);
    assert_int_equal(words[0], 0);
    assert_int_equal(hardware.invalidations, 0);
    domain_free(domain);
}

static void harvest_refuses_bad_ranges_and_domains_that_are_not_tracked(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);

    (void)state;
    assert_int_equal(iommu_harvest(domain, BASE - PAGE_SIZE, BASE - 1, &bitmap, 0, NULL), ERR_INVALID);
    assert_int_equal(iommu_harvest(domain, BASE, BASE + GIB - 1, &bitmap, 0, NULL), ERR_INVALID);
    assert_int_equal(iommu_harvest(domain, BASE, BASE + 1, &bitmap, 0, NULL), ERR_INVALID);
    assert_int_equal(iommu_harvest(domain, BASE, BASE + PAGE_SIZE - 1, &bitmap, 64, NULL), ERR_INVALID);
    domain_free(domain);
    domain = domain_make(&locked_ops);
    assert_int_equal(iommu_harvest(domain, BASE, BASE + PAGE_SIZE - 1, &bitmap, 0, NULL), ERR_INVALID);
    assert_non_null(strstr(host_log(), "domain test: nothing is harvested: it is not tracked"));
    domain_free(domain);
}

static void a_domain_without_the_flag_frees_at_once(void **state)
{
    struct iommu_domain *domain = domain_make(&locked_ops);
    struct page_alloc_stats before, after;
    struct pt_leaf leaf;

    (void)state;
    assert_int_equal(map(domain, BASE + 2 * MIB, PAGE_SIZE), 0);
    page_alloc_stats(&before);
    assert_int_equal(map(domain, BASE, 2 * MIB - PAGE_SIZE), 0);
    assert_true(iommu_lookup(domain, BASE, &leaf));
    assert_int_equal(iommu_unmap(domain, BASE, BASE + 2 * MIB - 1, NULL), 0);
    page_alloc_stats(&after);
    assert_int_equal(after.free_pages, before.free_pages);
    assert_false(rcu_callbacks_pending());
    domain_free(domain);
}

static void names_are_unique_and_found(void **state)
{
    struct iommu_domain *domain = domain_make(&rcu_ops);
    int error;

    (void)state;
    assert_ptr_equal(iommu_domain_find("test"), domain);
    assert_null(iommu_domain_find("other"));
    assert_null(iommu_domain_create_with(&rcu_ops, "test", &error));
    assert_int_equal(error, ERR_EXISTS);
    domain->unit_devices[3] = 1;
    assert_int_equal(iommu_domain_destroy(domain), ERR_BUSY);
    domain->unit_devices[3] = 0;
    domain_free(domain);
    assert_null(iommu_domain_find("test"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmap_invalidates_before_it_frees),
        cmocka_unit_test(what_a_neighbour_leaves_empty_during_the_invalidation_goes),
        cmocka_unit_test(a_single_page_asks_for_leaves_only),
        cmocka_unit_test(unmap_harvests_after_the_invalidation),
        cmocka_unit_test(a_failed_invalidation_keeps_the_tables_and_reports_all),
        cmocka_unit_test(a_split_that_was_not_confirmed_is_open_until_it_is),
        cmocka_unit_test(map_refuses_what_no_device_may_reach),
        cmocka_unit_test(memory_of_others_is_mapped_if_the_platform_says_so),
        cmocka_unit_test(what_the_allocator_keeps_is_not_the_platforms_to_give),
        cmocka_unit_test(a_map_that_fails_leaves_nothing_behind),
        cmocka_unit_test(harvest_invalidates_what_it_cleared_and_only_that),
        cmocka_unit_test(what_a_failed_harvest_cleared_is_invalidated_by_the_next),
        cmocka_unit_test(harvest_refuses_bad_ranges_and_domains_that_are_not_tracked),
        cmocka_unit_test(a_domain_without_the_flag_frees_at_once),
        cmocka_unit_test(names_are_unique_and_found),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    dma = virt_to_phys(pages_alloc(10, PAGE_DMA));
    return cmocka_run_group_tests_name("domain", tests, NULL, NULL);
}
