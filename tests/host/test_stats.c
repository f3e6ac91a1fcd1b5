/* SPDX-License-Identifier: BSD-2-Clause */
/* What is counted of units and domains, on two fake units; and what each gather costs them. */
#include "iommu/domain.h"
#include "iommu/stats.h"
#include "iommu/stats_print.h"
#include "iommu/vtd/vtd.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define IOVA 0x40000000ull

static struct fake_vtd fakes[2];
static uint64_t dma; /* 4 MiB */

static const struct pci_address nvme = {0, 0, FAKE_DEVFN_NVME}; /* behind unit 0 */
static const struct pci_address other = {0, 5, 0};              /* behind unit 1 */

static int start(void **state)
{
    uint8_t table[256];

    (void)state;
    fake_vtd_install(fakes, 2);
    host_log_clear();
    return iommu_init(table, fake_vtd_dmar(table, 2, "BOCHS "),
                      &(struct iommu_config){.no_interrupt_remapping = true});
}

static int stop(void **state)
{
    (void)state;
    iommu_shutdown();
    rcu_barrier();
    return fakes[0].broken_rules + fakes[1].broken_rules != 0;
}

static struct iommu_domain *create(const char *name)
{
    int error;
    struct iommu_domain *domain = iommu_domain_create(name, &error);

    assert_int_equal(error, 0);
    return domain;
}

static void map(struct iommu_domain *domain, uint64_t iova, uint64_t bytes)
{
    assert_int_equal(iommu_map(domain, iova, iova + bytes - 1, dma, PT_READ | PT_WRITE), 0);
}

static void unmap(struct iommu_domain *domain, uint64_t iova, uint64_t bytes)
{
    assert_int_equal(iommu_unmap(domain, iova, iova + bytes - 1, NULL), 0);
}

static struct iommu_queue_stats stats_of(unsigned unit)
{
    struct iommu_queue_stats stats;

    vtd_queue_stats(&vtd_unit(unit)->queue, &stats);
    return stats;
}

static void assert_leaves(struct iommu_domain *domain, uint64_t small, uint64_t large)
{
    uint64_t leaves[PT_LEAF_LEVELS];

    iommu_domain_count(domain, leaves);
    assert_int_equal(leaves[0], small);
    assert_int_equal(leaves[1], large);
    assert_int_equal(leaves[2], 0);
}

static void each_descriptor_counts_by_its_kind(void **state)
{
    static const struct {
        struct vtd_descriptor descriptor;
        enum iommu_invalidation kind;
    } cases[] = {
        {{{VTD_DESCRIPTOR_CONTEXT | VTD_DESCRIPTOR_G(1)}}, IOMMU_INVALIDATION_CONTEXT},
        {{{VTD_DESCRIPTOR_CONTEXT | VTD_DESCRIPTOR_G(3)}}, IOMMU_INVALIDATION_CONTEXT},
        {{{VTD_DESCRIPTOR_IOTLB | VTD_DESCRIPTOR_G(0)}}, IOMMU_INVALIDATION_OTHER},
        {{{VTD_DESCRIPTOR_IOTLB | VTD_DESCRIPTOR_G(1)}}, IOMMU_INVALIDATION_IOTLB_GLOBAL},
        {{{VTD_DESCRIPTOR_IOTLB | VTD_DESCRIPTOR_G(2) | VTD_DESCRIPTOR_DW}}, IOMMU_INVALIDATION_IOTLB_DOMAIN},
        {{{VTD_DESCRIPTOR_IOTLB | VTD_DESCRIPTOR_G(3)}}, IOMMU_INVALIDATION_IOTLB_PAGE},
        {{{VTD_DESCRIPTOR_PASID_IOTLB | VTD_DESCRIPTOR_G(2)}}, IOMMU_INVALIDATION_PASID_IOTLB_ALL},
        {{{VTD_DESCRIPTOR_PASID_IOTLB | VTD_DESCRIPTOR_G(3)}}, IOMMU_INVALIDATION_PASID_IOTLB_PAGE},
        {{{VTD_DESCRIPTOR_PASID_CACHE | VTD_DESCRIPTOR_G(3)}}, IOMMU_INVALIDATION_PASID_CACHE},
        {{{VTD_DESCRIPTOR_DEVICE_TLB}}, IOMMU_INVALIDATION_DEVICE_TLB},
        {{{VTD_DESCRIPTOR_PASID_DEVICE_TLB}}, IOMMU_INVALIDATION_DEVICE_TLB},
        {{{VTD_DESCRIPTOR_INTERRUPT | VTD_DESCRIPTOR_G(1)}}, IOMMU_INVALIDATION_INTERRUPT},
        {{{VTD_DESCRIPTOR_WAIT}}, IOMMU_INVALIDATION_WAIT},
        {{{9}}, IOMMU_INVALIDATION_OTHER},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(vtd_invalidation_of(&cases[i].descriptor), cases[i].kind);
    for (unsigned i = 0; i < IOMMU_INVALIDATIONS; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(iommu_invalidation_name(i), iommu_invalidation_name(j));
}

static void latencies_are_counted_by_powers_of_two(void **state)
{
    (void)state;
    assert_int_equal(vtd_latency_of(0), 0);
    assert_int_equal(vtd_latency_of(1), 0);
    assert_int_equal(vtd_latency_of(2), 1);
    assert_int_equal(vtd_latency_of(1023), 9);
    assert_int_equal(vtd_latency_of(1024), 10);
    assert_int_equal(vtd_latency_of((1ull << 32) - 1), 31);
    assert_int_equal(vtd_latency_of(1ull << 32), 32);
    assert_int_equal(vtd_latency_of(UINT64_MAX), IOMMU_LATENCIES - 1);
}

/* --- what a gather costs --- */

/* One batch with one wait on each unit that the domain is on, whatever the range. */
static void assert_costs_one_wait(const struct iommu_queue_stats before[2], unsigned unit1_waits)
{
    for (unsigned i = 0; i < 2; i++) {
        struct iommu_queue_stats after = stats_of(i);
        uint64_t expected = i ? unit1_waits : 1;

        assert_int_equal(after.batches - before[i].batches, expected);
        assert_int_equal(after.invalidations[IOMMU_INVALIDATION_WAIT] -
                             before[i].invalidations[IOMMU_INVALIDATION_WAIT],
                         expected);
    }
}

static void check_gathers(struct iommu_domain *domain, unsigned unit1_waits)
{
    /* Pages from IOVA on: one block, several, all of the domain; whole tables. */
    static const struct {
        uint64_t first, pages;
    } ranges[] = {{0, 1}, {1, 2}, {3, 9}, {1, 100}, {511, 2}, {0, 512}, {0, 1024}, {5, 1019}};

    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        struct iommu_queue_stats before[2] = {stats_of(0), stats_of(1)};
        unsigned logged = fake_vtd_count(&fakes[0], VTD_DESCRIPTOR_WAIT);

        map(domain, IOVA, 4 * MIB);
        assert_int_equal(stats_of(0).batches, before[0].batches);
        unmap(domain, IOVA + ranges[i].first * PAGE_SIZE, ranges[i].pages * PAGE_SIZE);
        assert_costs_one_wait(before, unit1_waits);
        assert_int_equal(fake_vtd_count(&fakes[0], VTD_DESCRIPTOR_WAIT), logged + 1);
        unmap(domain, IOVA, 4 * MIB);
        rcu_barrier();
    }
}

static void each_gather_is_one_batch_and_one_wait_on_each_unit(void **state)
{
    struct iommu_domain *domain = create("a");

    (void)state;
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    check_gathers(domain, 0);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    check_gathers(domain, 1);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void so_is_a_harvest(void **state)
{
    struct iommu_domain *domain = create("a");
    static uint64_t words[16];
    struct dirty_bitmap bitmap = {words, IOVA, IOVA + 4 * MIB - 1};
    struct iommu_queue_stats before[2];
    uint64_t hpa;

    (void)state;
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    map(domain, IOVA, 4 * MIB);
    /* Of two leaves that are far from each other. */
    assert_int_equal(iommu_domain_track(domain, &(struct iommu_track){.how = IOMMU_TRACKING_DIRTY_BITS,
                                                                      .level = PT_LEAF_LEVEL_MAX}),
                     0);
    for (uint64_t iova = IOVA; iova < IOVA + 4 * MIB; iova += PAGE_SIZE)
        assert_true(tree_access(&tree_through_cache, &domain->pt, iova, true, &hpa));
    before[0] = stats_of(0);
    before[1] = stats_of(1);
    assert_int_equal(iommu_harvest(domain, IOVA, IOVA + 4 * MIB - 1, &bitmap, 0, NULL), 0);
    assert_costs_one_wait(before, 1);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

/* --- what is counted --- */

static void leaves_are_counted_as_they_come_and_go(void **state)
{
    struct iommu_domain *domain = create("a");
    struct iommu_domain_info info;

    (void)state;
    assert_leaves(domain, 0, 0);
    map(domain, IOVA, 4 * MIB);
    map(domain, IOVA + 8 * MIB + PAGE_SIZE, 3 * PAGE_SIZE);
    map(domain, 0, PAGE_SIZE);
    map(domain, (1ull << domain->pt.address_lg2) - PAGE_SIZE, PAGE_SIZE);
    assert_leaves(domain, 5, 2);
    /* A large leaf is split for it. */
    unmap(domain, IOVA + PAGE_SIZE, PAGE_SIZE);
    assert_leaves(domain, 5 + 511, 1);
    unmap(domain, IOVA, 4 * MIB);
    assert_leaves(domain, 5, 0);
    iommu_domain_info(domain, &info);
    assert_int_equal(info.tables_freed, 1);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

/* A batch comes to one end, and whatever was submitted was carried out. What is refused is asked for once
 * more, wider. */
static void statistics_add_up(void **state)
{
    struct iommu_domain *domain = create("a");

    (void)state;
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    for (unsigned i = 0; i < 20; i++) {
        map(domain, IOVA, (i + 1) * PAGE_SIZE);
        fakes[0].refuse_type = i % 5 ? 0 : VTD_DESCRIPTOR_WAIT;
        assert_int_equal(iommu_unmap(domain, IOVA, IOVA + (i + 1) * PAGE_SIZE - 1, NULL), 0);
    }
    assert_int_equal(vtd_unit(0)->widened, 4);
    assert_int_equal(vtd_unit(0)->cut_offs, 0);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct iommu_queue_stats stats = stats_of(i);
        uint64_t latencies = 0, descriptors = 0;

        for (unsigned n = 0; n < IOMMU_LATENCIES; n++)
            latencies += stats.latency[n];
        for (unsigned n = 0; n < IOMMU_INVALIDATIONS; n++)
            descriptors += stats.invalidations[n];
        assert_int_equal(stats.batches, stats.completed + stats.refused);
        assert_int_equal(stats.refused, i ? 0 : 4);
        assert_int_equal(stats.iqe, i ? 0 : 4);
        assert_int_equal(latencies, stats.completed);
        assert_int_equal(descriptors, fakes[i].logged);
    }
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

/* What programs get is what the units have, and adds up. */
static void programs_read_the_same(void **state)
{
    struct iommu_domain *a = create("a"), *b = create("b");
    struct iommu_stats all;

    (void)state;
    assert_int_equal(iommu_attach(a, nvme, IOMMU_NO_PASID), 0);
    map(a, IOVA, 2 * PAGE_SIZE);
    unmap(a, IOVA, 2 * PAGE_SIZE);
    for (unsigned i = 0; i < 2; i++) {
        struct iommu_queue_stats queue = stats_of(i);
        struct iommu_unit_stats unit;

        assert_true(iommu_unit_stats(i, &unit));
        assert_int_equal(unit.unit, i);
        assert_true(unit.on);
        assert_memory_equal(&unit.queue, &queue, sizeof queue);
        assert_int_equal(unit.under_way, 0);
    }
    iommu_stats(&all);
    assert_int_equal(all.units, 2);
    assert_int_equal(all.domains, 2);
    assert_int_equal(all.faults, iommu_fault_count());
    rcu_barrier();
    iommu_stats(&all);
    assert_int_equal(all.tables_waiting, 0);
    assert_int_equal(iommu_detach(a, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(a), 0);
    assert_int_equal(iommu_domain_destroy(b), 0);
    iommu_shutdown();
    assert_true(iommu_unit_stats(0, &(struct iommu_unit_stats){0}));
}

static void there_are_no_more_units_and_kinds_than_there_are(void **state)
{
    struct iommu_unit_stats stats, before;

    (void)state;
    memset(&stats, 0xa5, sizeof stats);
    before = stats;
    assert_false(iommu_unit_stats(2, &stats));
    assert_false(iommu_unit_stats(~0u, &stats));
    assert_memory_equal(&stats, &before, sizeof stats);
    assert_null(iommu_invalidation_name(IOMMU_INVALIDATIONS));
    assert_null(iommu_invalidation_name((enum iommu_invalidation) ~0u));
}

static void interrupts_in_use_are_counted(void **state)
{
    const struct iommu_interrupt_source source = {.device = nvme, .match = IOMMU_SOURCE_FUNCTION};
    struct iommu_interrupt interrupt;
    struct iommu_unit_stats stats;
    uint8_t table[256];

    (void)state;
    iommu_shutdown();
    fake_vtd_install(fakes, 2);
    assert_int_equal(iommu_init(table, fake_vtd_dmar(table, 2, "BOCHS "), &(struct iommu_config){0}), 0);
    assert_int_equal(
        iommu_interrupt_alloc(&source, &(struct iommu_interrupt_target){0, 64, false}, &interrupt), 0);
    assert_true(iommu_unit_stats(0, &stats));
    assert_int_equal(stats.interrupts, 1);
    assert_int_equal(iommu_interrupt_free(&interrupt), 0);
    assert_true(iommu_unit_stats(0, &stats));
    assert_int_equal(stats.interrupts, 0);
    assert_int_equal(stats.interrupts_lost, 0);
}

/* --- how it is shown --- */

static void assert_logged(const char *text)
{
    if (!strstr(host_log(), text))
        fail_msg("no %s but:\n%s", text, host_log());
}

static void programs_get_an_object_for_each_unit_and_domain(void **state)
{
    struct iommu_domain *domain = create("a\"b");
    char text[256];

    (void)state;
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    map(domain, IOVA, 2 * MIB);
    map(domain, IOVA + 4 * MIB, PAGE_SIZE);
    host_log_clear();
    iommu_stats_print_json();
    assert_logged(
        "{\"unit\":0,\"batches\":3,\"completed\":3,\"refused\":0,\"dropped\":0,\"timed_out\":0,"
        "\"under_way\":0,\"turned_away\":0,\"full\":0,\"stalls\":0,\"invalidations\":{\"context\":1,"
        "\"pasid_cache\":1,\"iotlb_global\":1,\"iotlb_domain\":0,");
    assert_logged(
        "\"fault_overflows\":0,\"widened\":0,\"cut_off\":0,\"self_test\":{\"result\":\"not tested\",");
    assert_logged("{\"unit\":1,\"batches\":5,\"completed\":5,");
    assert_logged("\"wait\":5,\"other\":0},\"latency_ns\":{\"");
    snprintf(text, sizeof text,
             "{\"domain\":\"a\\\"b\",\"id\":%u,\"devices\":1,\"leaves\":{\"4K\":1,\"2M\":1,\"1G\":0},"
             "\"tables\":4,\"freed\":0,\"quarantined\":0}\n",
             domain->id);
    assert_logged(text);
    snprintf(text, sizeof text,
             "{\"total\":true,\"units\":2,\"domains\":1,\"tables_waiting\":0,\"faults\":%" PRIu64 "}\n",
             iommu_fault_count());
    assert_logged(text);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

/* Every counter at its widest. */
static void the_longest_object_fits(void **state)
{
    struct vtd_queue *queue = &vtd_unit(0)->queue;
    struct iommu_queue_stats saved = queue->stats;

    (void)state;
    memset(&queue->stats, 0xff, sizeof queue->stats);
    vtd_unit(0)->widened = vtd_unit(0)->cut_offs = UINT64_MAX;
    iommu_stats_print_json();
    assert_null(strstr(host_log(), "too_long"));
    assert_logged("\"ice\":18446744073709551615,");
    queue->stats = saved;
}

int main(void)
{
#define RUNNING(test) cmocka_unit_test_setup_teardown(test, start, stop)
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_descriptor_counts_by_its_kind),
        cmocka_unit_test(latencies_are_counted_by_powers_of_two),
        RUNNING(each_gather_is_one_batch_and_one_wait_on_each_unit),
        RUNNING(so_is_a_harvest),
        RUNNING(leaves_are_counted_as_they_come_and_go),
        RUNNING(statistics_add_up),
        RUNNING(programs_read_the_same),
        RUNNING(there_are_no_more_units_and_kinds_than_there_are),
        RUNNING(interrupts_in_use_are_counted),
        RUNNING(programs_get_an_object_for_each_unit_and_domain),
        RUNNING(the_longest_object_fits),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    dma = virt_to_phys(pages_alloc(10, PAGE_DMA));
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
