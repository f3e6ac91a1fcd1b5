/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapping and unmapping for ever in a pool that is nearly empty: it lasts because the allocator waits for the
 * tables that are on their way back. */
#include "iommu/domain.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/rcu_pages.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <pthread.h>

#define IOVA   0x100000000ull
#define ROUNDS 1000000u
#define POOL   16u /* pages; a round takes one, or two where the table above goes too */

static uint64_t target;

static int tree_init(struct iommu_domain *domain)
{
    domain->pt_ops = &pt_x86_64;
    domain->id = 1;
    domain->untranslated_iova = 0xfee00000;
    domain->untranslated_end = 0xfef00000;
    return pt_init(&domain->pt, 4, 1, 47, 0);
}

static void tree_destroy(struct iommu_domain *domain)
{
    pt_destroy(&domain->pt);
}

static int nothing_to_invalidate(struct iommu_domain *domain, const struct gather *gather)
{
    (void)domain;
    (void)gather;
    return 0;
}

static const struct iommu_domain_ops ops = {
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
    .init = tree_init,
    .destroy = tree_destroy,
    .invalidate = nothing_to_invalidate,
};

/* Maps one page and unmaps what its table covers, so that the table goes, some thousands of times in the one
 * event that this is. Returns the first error. */
static int map_and_unmap(struct iommu_domain *domain, unsigned rounds)
{
    int error = 0;

    for (unsigned i = 0; i < rounds && !error; i++) {
        uint64_t iova = IOVA + i % 3 * GIB;

        error = iommu_map(domain, iova, iova + PAGE_SIZE - 1, target, PT_READ | PT_WRITE);
        if (!error)
            error = iommu_unmap(domain, iova, iova + (i % 2 ? GIB : 2 * MIB) - 1, NULL);
    }
    return error;
}

struct setup {
    struct iommu_domain *domain;
    struct page_alloc_stats before;
    struct rcu_pages_stats pages_before;
};

static void set_up(struct setup *setup, bool (*reclaim)(void))
{
    int error;

    rcu_cpu_online();
    page_alloc_set_reclaim(reclaim);
    page_alloc_stats(&setup->before);
    setup->domain = iommu_domain_create_with(&ops, "memory", &error);
    assert_non_null(setup->domain);
    assert_int_equal(map_and_unmap(setup->domain, 6), 0); /* the upper tables that stay */
    rcu_barrier();
    rcu_pages_stats(&setup->pages_before);
    host_leave_pages(POOL);
}

static uint64_t tear_down(struct setup *setup)
{
    struct page_alloc_stats after;
    struct rcu_pages_stats pages;

    rcu_barrier();
    rcu_pages_stats(&pages);
    assert_int_equal(pages.queued, pages.freed);
    assert_int_equal(iommu_domain_destroy(setup->domain), 0);
    rcu_barrier();
    host_release_pages();
    page_alloc_stats(&after);
    assert_int_equal(after.free_pages, setup->before.free_pages);
    page_alloc_set_reclaim(NULL);
    rcu_cpu_offline();
    return pages.freed - setup->pages_before.freed;
}

/* Beside a reader, whose sections make each grace period last. */
static uint32_t stop;

static void *reader(void *domain)
{
    host_set_cpu(1);
    rcu_cpu_online();
    while (!atomic_read(&stop)) {
        struct pt_leaf leaf;

        for (unsigned i = 0; i < 20; i++)
            (void)iommu_lookup(domain, IOVA + i % 3 * GIB, &leaf);
        rcu_quiescent();
    }
    rcu_cpu_offline();
    return NULL;
}

static void rounds_beside_a_reader_last(void **state)
{
    struct setup setup;
    pthread_t thread;

    (void)state;
    set_up(&setup, rcu_pages_reclaim);
    assert_int_equal(pthread_create(&thread, NULL, reader, setup.domain), 0);
    assert_int_equal(map_and_unmap(setup.domain, 20000), 0);
    atomic_write(&stop, 1u);
    pthread_join(thread, NULL);
    assert_true(tear_down(&setup) >= 20000);
}

/* CPU 1 reports only while somebody waits (platform_relax()), so nothing comes back to who does not. */
static void cpu_1_reports(void)
{
    host_set_cpu(1);
    rcu_quiescent();
    host_set_cpu(0);
}

static int rounds_beside_cpu_1(bool (*reclaim)(void), unsigned rounds)
{
    struct setup setup;
    int error;

    set_up(&setup, reclaim);
    host_set_cpu(1);
    rcu_cpu_online();
    host_set_cpu(0);
    host_set_relax(cpu_1_reports);
    error = map_and_unmap(setup.domain, rounds);
    host_set_cpu(1);
    rcu_cpu_offline();
    host_set_cpu(0);
    host_set_relax(NULL);
    (void)tear_down(&setup);
    return error;
}

static void a_million_rounds_last_because_of_the_hook(void **state)
{
    (void)state;
    assert_int_equal(rounds_beside_cpu_1(rcu_pages_reclaim, ROUNDS), 0);
    assert_int_equal(rounds_beside_cpu_1(NULL, 1000), ERR_NOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_beside_a_reader_last),
        cmocka_unit_test(a_million_rounds_last_because_of_the_hook),
    };

    host_memory_init(64 * MIB);
    target = virt_to_phys(pages_alloc(0, PAGE_DMA));
    return cmocka_run_group_tests_name("rcu_memory", tests, NULL, NULL);
}
