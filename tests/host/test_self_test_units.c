/* SPDX-License-Identifier: BSD-2-Clause */
/* Self-tests of units: which are tested, by which devices, and what a failure does to the domains that are
 * made afterwards. */
#include "iommu/domain.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <stdio.h>
#include <string.h>

#define IOVA 0x40000000ull

static struct fake_vtd fakes[2];

static const struct pci_address nvme = {0, 0, FAKE_DEVFN_NVME}; /* behind the first unit */
static const struct pci_address other = {0, 5, 0xf9};           /* behind the second */
static const struct pci_address nowhere = {1, 0, 0};

/* A device as a source, whose requests go by the domain's tree if the unit's tables lead there. */
struct source {
    struct iommu_dma_source source;
    const struct fake_vtd *unit;
    struct iommu_domain *domain;
    bool loses_dirty; /* its unit does */
    int error;
    unsigned opens;
};

static struct source *of(struct iommu_dma_source *source)
{
    return CONTAINER_OF(source, struct source, source);
}

static int source_open(struct iommu_dma_source *any, struct iommu_domain *domain, uint64_t iova)
{
    struct source *source = of(any);

    (void)iova;
    source->opens++;
    source->domain = domain;
    return source->error ? source->error : iommu_attach(domain, any->device, IOMMU_NO_PASID);
}

static int access_page(struct iommu_dma_source *any, uint64_t iova, bool write)
{
    struct source *source = of(any);
    uint64_t hpa, found;

    assert_true(fake_vtd_walk(source->unit, pci_source_id(any->device), iova, &hpa));
    assert_true(
        tree_access(&tree_through_cache, &source->domain->pt, iova, write && !source->loses_dirty, &found));
    assert_int_equal(hpa, found);
    return 0;
}

static int source_write(struct iommu_dma_source *any, uint64_t iova)
{
    return access_page(any, iova, true);
}

static int source_read(struct iommu_dma_source *any, uint64_t iova)
{
    return access_page(any, iova, false);
}

static int source_close(struct iommu_dma_source *any)
{
    return iommu_detach(of(any)->domain, any->device, IOMMU_NO_PASID);
}

static struct source make(struct pci_address device, const struct fake_vtd *unit)
{
    return (struct source){
        .source = {device, source_open, source_write, source_read, source_close},
        .unit = unit,
    };
}

static int start_as(const char *oem_id, const struct iommu_config *config, unsigned coherent)
{
    uint8_t table[256];

    fake_vtd_install(fakes, 2);
    for (unsigned i = 0; i < coherent; i++)
        fakes[i].ecap |= VTD_ECAP_SMPWC;
    host_log_clear();
    return iommu_init(table, fake_vtd_dmar(table, 2, oem_id), config);
}

static int start(void **state)
{
    (void)state;
    return start_as("INTEL ", &(struct iommu_config){0}, 2);
}

static int stop(void **state)
{
    (void)state;
    iommu_shutdown();
    rcu_barrier();
    return fakes[0].broken_rules + fakes[1].broken_rules != 0;
}

static void assert_unit_says(unsigned unit, const char *text)
{
    char said[IOMMU_SELF_TEST_TEXT];

    iommu_self_test_text(&vtd_unit(unit)->self_test, said, sizeof said);
    assert_string_equal(said, text);
}

static void assert_domains_track(bool tracks)
{
    int error;
    struct iommu_domain *domain = iommu_domain_create("after", &error);
    struct iommu_domain_info info;
    const struct iommu_track track = {.how = IOMMU_TRACKING_DIRTY_BITS};

    assert_int_equal(error, 0);
    iommu_domain_info(domain, &info);
    assert_int_equal(info.tracks_dirty, tracks);
    assert_int_equal(info.why_not_dirty == NULL, tracks);
    host_log_clear();
    assert_int_equal(iommu_domain_track(domain, &track), tracks ? 0 : ERR_UNSUPPORTED);
    assert_int_equal(strstr(host_log(), "domain after: dirty pages cannot be tracked: ") != NULL, !tracks);
    /* Where dirty bits are not believed the unit is not to write them either. */
    assert_int_equal(domain->pt.flags & PT_PRESET_DIRTY, tracks ? 0 : PT_PRESET_DIRTY);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void each_unit_is_tested_by_a_device_behind_it(void **state)
{
    struct source first = make(nvme, &fakes[0]), second = make(other, &fakes[1]);
    struct source lost = make(nowhere, &fakes[0]);

    (void)state;
    assert_unit_says(0, "not tested: no device that this version can drive is behind it");
    iommu_self_test(&lost.source);
    iommu_self_test(&first.source);
    assert_unit_says(0, "passed by 0000:00:03.0, leaves of 4 KiB and 2 MiB");
    assert_unit_says(1, "not tested: no device that this version can drive is behind it");
    iommu_self_test(&second.source);
    iommu_self_test_end();
    assert_unit_says(1, "passed by 0000:05:1f.1, leaves of 4 KiB and 2 MiB");
    assert_int_equal(lost.opens, 0);
    assert_non_null(strstr(host_log(), "vtd1: accessed/dirty self-test: passed by 0000:05:1f.1"));
    assert_domains_track(true);
}

static void a_unit_that_has_a_result_is_not_tested_again(void **state)
{
    struct source first = make(nvme, &fakes[0]), second = make(nvme, &fakes[0]);

    (void)state;
    iommu_self_test(&first.source);
    iommu_self_test(&second.source);
    assert_int_equal(first.opens + second.opens, 1);
    iommu_self_test_end();
    second = make(other, &fakes[1]);
    iommu_self_test(&second.source);
    assert_int_equal(second.opens, 0);
}

static void where_a_device_does_not_answer_the_next_one_is_asked(void **state)
{
    struct source silent = make(nvme, &fakes[0]), next = make(nvme, &fakes[0]);

    (void)state;
    silent.error = ERR_TIMEOUT;
    iommu_self_test(&silent.source);
    assert_unit_says(0, "not tested by 0000:00:03.0: the device does not answer");
    iommu_self_test(&next.source);
    assert_unit_says(0, "passed by 0000:00:03.0, leaves of 4 KiB and 2 MiB");
}

/* One of two: domains are the same on both. The other one is tested all the same. */
static void a_unit_that_fails_is_not_believed(void **state)
{
    struct source first = make(nvme, &fakes[0]), second = make(other, &fakes[1]);
    int error;
    struct iommu_domain *before = iommu_domain_create("before", &error);

    (void)state;
    first.loses_dirty = true;
    iommu_self_test(&first.source);
    iommu_self_test(&second.source);
    assert_unit_says(0, "FAILED by 0000:00:03.0: a page that was written is not reported");
    assert_unit_says(1, "passed by 0000:05:1f.1, leaves of 4 KiB and 2 MiB");
    assert_non_null(strstr(host_log(), "vtd0: accessed/dirty self-test: FAILED by 0000:00:03.0"));
    iommu_self_test_end();
    assert_non_null(strstr(host_log(), "a unit failed its accessed/dirty self-test"));
    assert_true(before->tracks_dirty); /* what was made before stays as it is */
    assert_int_equal(iommu_domain_destroy(before), 0);
    assert_domains_track(false);
}

/* A later start asks again. */
static void a_failure_is_forgotten_by_the_next_start(void **state)
{
    struct source first = make(nvme, &fakes[0]);

    first.loses_dirty = true;
    iommu_self_test(&first.source);
    iommu_self_test_end();
    assert_domains_track(false);
    stop(state);
    assert_int_equal(start(state), 0);
    assert_domains_track(true);
    assert_unit_says(0, "not tested: no device that this version can drive is behind it");
}

static void what_promises_nothing_is_not_tested(void **state)
{
    static const struct {
        const char *oem_id;
        struct iommu_config config;
        unsigned coherent;
        const char *first, *second;
    } cases[] = {
        {"INTEL ", {0}, 0, "keeps no dirty bits", "keeps no dirty bits"},
        {"INTEL ", {0}, 1, "another unit keeps no dirty bits, so no domain does", "keeps no dirty bits"},
        {"BOCHS ", {.no_dirty_self_test = true}, 0, "switched off", "switched off"},
        {"INTEL ",
         {.no_dirty_self_test = true},
         1,
         "another unit keeps no dirty bits, so no domain does",
         "keeps no dirty bits"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct source first = make(nvme, &fakes[0]), second = make(other, &fakes[1]);
        char text[IOMMU_SELF_TEST_TEXT];

        stop(state);
        assert_int_equal(start_as(cases[i].oem_id, &cases[i].config, cases[i].coherent), 0);
        iommu_self_test(&first.source);
        iommu_self_test(&second.source);
        iommu_self_test_end();
        assert_int_equal(first.opens + second.opens, 0);
        snprintf(text, sizeof text, "not tested: %s", cases[i].first);
        assert_unit_says(0, text);
        snprintf(text, sizeof text, "not tested: %s", cases[i].second);
        assert_unit_says(1, text);
    }
}

static void units_that_are_off_are_not_tested(void **state)
{
    struct source first = make(nvme, &fakes[0]);

    (void)state;
    iommu_shutdown();
    iommu_self_test(&first.source);
    assert_int_equal(first.opens, 0);
}

#define UNIT_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(each_unit_is_tested_by_a_device_behind_it),
        UNIT_TEST(a_unit_that_has_a_result_is_not_tested_again),
        UNIT_TEST(where_a_device_does_not_answer_the_next_one_is_asked),
        UNIT_TEST(a_unit_that_fails_is_not_believed),
        UNIT_TEST(a_failure_is_forgotten_by_the_next_start),
        UNIT_TEST(what_promises_nothing_is_not_tested),
        UNIT_TEST(units_that_are_off_are_not_tested),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    return cmocka_run_group_tests_name("self-test of units", tests, NULL, NULL);
}
