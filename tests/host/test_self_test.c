/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-test of accessed and dirty bits, on a unit that loses or invents just one of them: each step finds
 * that, and says which it was. */
#include "iommu/domain.h"
#include "iommu/self_test.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <stdio.h>
#include <string.h>

#define NEVER 1000

/* What is wrong. Accesses, harvests that clear nothing and invalidations are counted from 0 in each run. */
static struct {
    unsigned lost_access;    /* the dirty bit of this write is not set */
    unsigned invented;       /* a read that sets it */
    unsigned other_access;   /* which sets that of another page as well */
    unsigned late;           /* an invalidation after which the first page's is set */
    unsigned forgotten_keep; /* a harvest that clears although it should not */
    unsigned unconfirmed;    /* an invalidation that fails */
    unsigned failing_access; /* the device fails */
    int error;               /* and so */
    int open_error, close_error;
    unsigned flags; /* of the tree */
    bool untracked;
} flaw;

static struct iommu_domain *opened;
static unsigned accesses, keeps, invalidations;
static uint64_t first_iova;

static void set_bits(uint64_t iova, bool dirty)
{
    const struct tree_format *format = tree_format_of(&pt_x86_64);
    struct tree_leaf leaf;

    assert_true(tree_find(format, &tree_through_cache, &opened->pt, iova, &leaf));
    __atomic_fetch_or(leaf.slot, format->accessed | (dirty ? format->dirty : 0), __ATOMIC_SEQ_CST);
}

static int access_page(uint64_t iova, bool write)
{
    unsigned n = accesses++;

    if (n == 0)
        first_iova = iova;
    if (n == flaw.failing_access)
        return flaw.error;
    set_bits(iova, write ? n != flaw.lost_access : n == flaw.invented);
    if (n == flaw.other_access)
        set_bits(first_iova + 2 * PAGE_SIZE, true);
    return 0;
}

static int source_open(struct iommu_dma_source *source, struct iommu_domain *domain, uint64_t iova)
{
    assert_true(is_aligned(iova, PAGE_SIZE));
    if (flaw.open_error)
        return flaw.open_error;
    opened = domain;
    return iommu_attach(domain, source->device, IOMMU_NO_PASID);
}

static int source_write(struct iommu_dma_source *source, uint64_t iova)
{
    (void)source;
    return access_page(iova, true);
}

static int source_read(struct iommu_dma_source *source, uint64_t iova)
{
    (void)source;
    return access_page(iova, false);
}

static int source_close(struct iommu_dma_source *source)
{
    int error = iommu_detach(opened, source->device, IOMMU_NO_PASID);

    opened = NULL;
    return error ? error : flaw.close_error;
}

static struct iommu_dma_source source = {
    .device = {0, 1, 0x10},
    .open = source_open,
    .write = source_write,
    .read = source_read,
    .close = source_close,
};

static struct pt_ops ops_of_tree;

static void forgetful_harvest(struct pt *pt, uint64_t iova, uint64_t last, struct dirty_bitmap *bitmap,
                              unsigned flags, struct gather *gather, struct harvest_stats *stats)
{
    if (flags & HARVEST_KEEP && keeps++ == flaw.forgotten_keep)
        flags &= ~(unsigned)HARVEST_KEEP;
    pt_x86_64.harvest(pt, iova, last, bitmap, flags, gather, stats);
}

static int fake_init(struct iommu_domain *domain)
{
    ops_of_tree = pt_x86_64;
    ops_of_tree.harvest = forgetful_harvest;
    domain->pt_ops = &ops_of_tree;
    domain->id = 7;
    domain->tracks_dirty = !flaw.untracked;
    domain->why_not_dirty = "it is said to";
    return pt_init(&domain->pt, 4, 3, 47, flaw.flags);
}

static void fake_destroy(struct iommu_domain *domain)
{
    pt_destroy(&domain->pt);
}

static int fake_attach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    (void)device;
    (void)pasid;
    domain->unit_devices[0]++;
    return 0;
}

static int fake_detach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    (void)device;
    (void)pasid;
    domain->unit_devices[0]--;
    return 0;
}

static int fake_invalidate(struct iommu_domain *domain, const struct gather *gather)
{
    unsigned n = invalidations++;

    (void)domain;
    (void)gather;
    if (n == flaw.late)
        set_bits(first_iova, true);
    return n == flaw.unconfirmed ? ERR_TIMEOUT : 0;
}

static const struct iommu_domain_ops ops = {
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
    .init = fake_init,
    .destroy = fake_destroy,
    .attach = fake_attach,
    .detach = fake_detach,
    .invalidate = fake_invalidate,
};

static int start(void **state)
{
    (void)state;
    memset(&flaw, 0, sizeof flaw);
    flaw.lost_access = flaw.invented = flaw.other_access = flaw.late = flaw.forgotten_keep = NEVER;
    flaw.unconfirmed = flaw.failing_access = NEVER;
    iommu_set_domain_ops(&ops, NULL);
    host_log_clear();
    return 0;
}

static uint64_t free_pages(void)
{
    struct page_alloc_stats stats;

    rcu_barrier();
    page_alloc_stats(&stats);
    return stats.free_pages;
}

/* Whatever comes of it, nothing is left of the test. */
static void run(struct iommu_self_test *result)
{
    uint64_t before = free_pages();

    accesses = keeps = invalidations = 0;
    first_iova = 0;
    iommu_self_test_run(&source, result);
    assert_null(opened);
    assert_null(iommu_domain_find("self-test"));
    assert_int_equal(free_pages(), before);
    assert_true(result->has_device && pci_address_equal(result->device, source.device));
}

static void assert_says(const char *text)
{
    struct iommu_self_test result;
    char said[IOMMU_SELF_TEST_TEXT];

    run(&result);
    iommu_self_test_text(&result, said, sizeof said);
    assert_string_equal(said, text);
}

static void a_unit_that_is_right_passes(void **state)
{
    struct iommu_self_test result;

    (void)state;
    assert_says("passed by 0000:01:02.0, leaves of 4 KiB and 2 MiB");
    assert_int_equal(accesses, 10);
    run(&result);
    assert_int_equal(result.verdict, IOMMU_PASSED);
    assert_true(result.large && !result.reads_count);
}

static void with_the_erratum_reads_may_count(void **state)
{
    (void)state;
    flaw.flags = PT_ACCESSED_IS_DIRTY;
    assert_says("passed by 0000:01:02.0, leaves of 4 KiB and 2 MiB; a page that is only read counts as "
                "written");
}

/* The accesses are those of the table in self_test.c, in its order. */
static const struct {
    unsigned access;
    bool read;
    const char *what;
} named[] = {
    {0, false, "a page that was written"},
    {1, false, "a page that was written again after a harvest"},
    {2, true, "a page that was only read"},
    {3, false, "a page that was written after it was read"},
    {4, true, "a page that was only read since the last harvest"},
    {5, false, "a page that was written after it was read and harvested"},
    {6, false, "a page that was written and unmapped"},
    {7, false, "a leaf of 2 MiB that was written"},
    {8, false, "a leaf of 2 MiB that was written again after a harvest"},
    {9, false, "a leaf of 2 MiB that was written and unmapped"},
};

static void assert_fails(const char *what, const char *problem)
{
    char text[IOMMU_SELF_TEST_TEXT];

    snprintf(text, sizeof text, "FAILED by 0000:01:02.0: %s %s", what, problem);
    assert_says(text);
}

static void each_dirty_bit_that_is_lost_or_invented_is_found(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
        start(state);
        flaw.lost_access = flaw.invented = named[i].access;
        assert_fails(named[i].what, named[i].read ? "is reported" : "is not reported");
        assert_int_equal(accesses, named[i].access + 1);
    }
}

static void a_page_that_nothing_touched_is_in_no_report(void **state)
{
    for (size_t i = 0; i < 7; i++) {
        start(state);
        flaw.other_access = named[i].access;
        assert_fails(named[i].what, "has another one reported");
    }
}

/* A unit that still writes back what it had cached when it has confirmed the invalidation. */
static void a_bit_that_comes_back_after_the_harvest_is_found(void **state)
{
    (void)state;
    flaw.late = 0;
    assert_fails("a page that was written before the last harvest only", "is reported");
}

static void a_harvest_that_clears_what_it_should_keep_is_found(void **state)
{
    static const char *const kept[] = {"a page that a harvest left dirty on request",
                                       "a page that two harvests left dirty on request"};

    /* The first of them is that of the page that was only read. */
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
        start(state);
        flaw.forgotten_keep = 1 + i;
        assert_fails(kept[i], "is not reported");
    }
}

/* Each in turn. Pages that a unit did not confirm to be unmapped are never used again. */
static void an_invalidation_that_is_not_confirmed_is_a_failure(void **state)
{
    struct iommu_self_test result;
    unsigned kept = 0;

    (void)state;
    for (flaw.unconfirmed = 0;; flaw.unconfirmed++) {
        uint64_t before = free_pages(), lost;

        host_log_clear();
        accesses = keeps = invalidations = 0;
        iommu_self_test_run(&source, &result);
        lost = before - free_pages();
        if (result.verdict == IOMMU_PASSED)
            break;
        assert_int_equal(result.verdict, IOMMU_FAILED);
        assert_string_equal(result.problem, "is harvested, and the unit does not confirm it");
        assert_true(lost == 0 || lost == 4 || lost == 512);
        assert_int_equal(strstr(host_log(), "stay out of use") != NULL, lost != 0);
        assert_int_equal(strstr(result.what, "unmapped") != NULL, lost != 0);
        kept += lost != 0;
    }
    assert_int_equal(kept, 2);
    assert_true(flaw.unconfirmed >= 8);
}

static void a_source_that_fails_tests_nothing(void **state)
{
    (void)state;
    flaw.open_error = ERR_TIMEOUT;
    assert_says("not tested by 0000:01:02.0: the device does not answer");
    flaw.open_error = ERR_UNSUPPORTED;
    assert_says("not tested by 0000:01:02.0: not supported");
    flaw.open_error = 0;
    for (flaw.failing_access = 0; flaw.failing_access < 10; flaw.failing_access++) {
        flaw.error = ERR_TIMEOUT;
        assert_says("not tested by 0000:01:02.0: the device does not answer");
        flaw.error = ERR_HARDWARE;
        assert_says("not tested by 0000:01:02.0: hardware reported an error");
    }
}

static void a_source_that_is_not_closed_cleanly_is_said_and_changes_nothing(void **state)
{
    (void)state;
    flaw.close_error = ERR_TIMEOUT;
    assert_says("passed by 0000:01:02.0, leaves of 4 KiB and 2 MiB");
    assert_non_null(strstr(host_log(), "0000:01:02.0 was not closed cleanly: no answer in time"));
}

static void what_keeps_no_dirty_bits_is_not_tested(void **state)
{
    (void)state;
    flaw.untracked = true;
    assert_says("not tested by 0000:01:02.0: it is said to");
    iommu_set_domain_ops(NULL, NULL);
    assert_says("not tested by 0000:01:02.0: not supported");
}

/* However little there is, what is said is true. */
static void without_memory_it_is_not_tested(void **state)
{
    bool not_tested = false, small_alone = false;

    (void)state;
    for (unsigned left = 0; left <= 64; left++) {
        struct iommu_self_test result;

        host_leave_pages(left);
        run(&result);
        host_release_pages();
        assert_int_not_equal(result.verdict, IOMMU_FAILED);
        if (result.verdict == IOMMU_NOT_TESTED)
            assert_string_equal(result.what, "out of memory");
        not_tested = not_tested || result.verdict == IOMMU_NOT_TESTED;
        small_alone = small_alone || (result.verdict == IOMMU_PASSED && !result.large);
    }
    assert_true(not_tested && small_alone);
    assert_says("passed by 0000:01:02.0, leaves of 4 KiB and 2 MiB");
}

#define SELF_TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SELF_TEST(a_unit_that_is_right_passes),
        SELF_TEST(with_the_erratum_reads_may_count),
        SELF_TEST(each_dirty_bit_that_is_lost_or_invented_is_found),
        SELF_TEST(a_page_that_nothing_touched_is_in_no_report),
        SELF_TEST(a_bit_that_comes_back_after_the_harvest_is_found),
        SELF_TEST(a_harvest_that_clears_what_it_should_keep_is_found),
        SELF_TEST(an_invalidation_that_is_not_confirmed_is_a_failure),
        SELF_TEST(a_source_that_fails_tests_nothing),
        SELF_TEST(a_source_that_is_not_closed_cleanly_is_said_and_changes_nothing),
        SELF_TEST(what_keeps_no_dirty_bits_is_not_tested),
        SELF_TEST(without_memory_it_is_not_tested),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    return cmocka_run_group_tests_name("self-test", tests, NULL, NULL);
}
