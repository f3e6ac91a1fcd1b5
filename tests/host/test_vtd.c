/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole driver against fake units: devices in and out, what is invalidated where, and when
 * hardware fails. */
#include "iommu/domain.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define IOVA         0x40000000ull
#define MEMORY_BYTES (64 * MIB)

static struct fake_vtd fakes[2];
static uint64_t dma; /* 2 MiB that devices may reach */

static const struct pci_address nvme = {0, 0, FAKE_DEVFN_NVME};
static const struct pci_address other = {0, 5, 0xf9};

static int install(void **state)
{
    (void)state;
    fake_vtd_install(fakes, 2);
    host_set_time_ns(0);
    host_log_clear();
    return 0;
}

static int init_as(unsigned units, const char *oem_id)
{
    uint8_t table[256];
    size_t bytes = fake_vtd_dmar(table, units, oem_id);

    return iommu_init(table, bytes, &(struct iommu_config){0});
}

static int start(void **state)
{
    install(state);
    return init_as(2, "BOCHS ");
}

static int stop(void **state)
{
    (void)state;
    host_set_time_ns(0);
    for (unsigned i = 0; i < 2; i++)
        fakes[i].queue_dead = false;
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

static bool reaches(const struct fake_vtd *unit, struct pci_address device, uint64_t iova, uint64_t hpa)
{
    uint64_t found;

    return fake_vtd_walk(unit, pci_source_id(device), iova, &found) && found == hpa;
}

static bool is_blocked(struct pci_address device)
{
    uint64_t hpa;

    return !fake_vtd_walk(&fakes[0], pci_source_id(device), IOVA, &hpa) &&
           !fake_vtd_walk(&fakes[1], pci_source_id(device), IOVA, &hpa);
}

static void units_come_on_in_scalable_mode_with_everything_blocked(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fakes[i].gsts,
                         VTD_GSTS_TES | VTD_GSTS_RTPS | VTD_GSTS_QIES | VTD_GSTS_IRES | VTD_GSTS_IRTPS);
        assert_int_equal(fakes[i].rtaddr & 0xfff, VTD_RTADDR_TTM_SCALABLE);
        assert_int_equal(fakes[i].iqa & 0xfff, VTD_IQA_DW_256 | 1);
        /* Context cache, PASID cache, IOTLB, interrupt entries, each global and each waited for. */
        assert_int_equal(VTD_DESCRIPTOR_TYPE(fakes[i].log[0]), VTD_DESCRIPTOR_CONTEXT);
        assert_int_equal(VTD_DESCRIPTOR_TYPE(fakes[i].log[2]), VTD_DESCRIPTOR_PASID_CACHE);
        assert_int_equal(VTD_DESCRIPTOR_TYPE(fakes[i].log[4]), VTD_DESCRIPTOR_IOTLB);
        assert_int_equal(VTD_DESCRIPTOR_TYPE(fakes[i].log[6]), VTD_DESCRIPTOR_INTERRUPT);
        assert_int_equal(fakes[i].logged, 8);
    }
    assert_true(is_blocked(nvme));
    assert_true(is_blocked(other));
    assert_int_equal(init_as(2, "BOCHS "), ERR_BUSY);
}

static void devices_go_to_the_unit_that_covers_them(void **state)
{
    (void)state;
    assert_ptr_equal(vtd_unit_of(nvme), vtd_unit(0));
    assert_ptr_equal(vtd_unit_of(other), vtd_unit(1));
    assert_null(vtd_unit_of((struct pci_address){1, 0, 0}));
}

static void an_attached_device_reaches_what_is_mapped_and_nothing_else(void **state)
{
    struct iommu_domain *domain = create("a");
    uint64_t hpa;

    (void)state;
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0x1fffff, dma, PT_READ | PT_WRITE), 0);
    assert_true(is_blocked(nvme));
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_true(reaches(&fakes[0], nvme, IOVA + 0x12345, dma + 0x12345));
    assert_false(fake_vtd_walk(&fakes[0], pci_source_id(nvme), IOVA + 0x200000, &hpa));
    assert_false(fake_vtd_walk(&fakes[1], pci_source_id(nvme), IOVA, &hpa));
    assert_true(is_blocked(other));
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), ERR_BUSY);
    assert_int_equal(iommu_domain_destroy(domain), ERR_BUSY);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), ERR_NOT_FOUND);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_true(is_blocked(nvme));
    assert_int_equal(domain->units, 0);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), ERR_NOT_FOUND);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static unsigned looks;

/* At no moment does a unit see half an entry: the device reaches its page or it is blocked. */
static void look_at_nvme(void)
{
    uint64_t hpa;

    looks++;
    if (fake_vtd_walk(&fakes[0], pci_source_id(nvme), IOVA, &hpa))
        assert_int_equal(hpa, dma);
}

static void a_unit_that_does_not_snoop_sees_every_change(void **state)
{
    struct iommu_domain *domain = create("a");

    (void)state;
    assert_int_equal(fakes[0].ecap & (VTD_ECAP_C | VTD_ECAP_SMPWC), 0);
    fake_vtd_on_flush(look_at_nvme);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_true(is_blocked(nvme));
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0xfff, dma, PT_READ), 0);
    assert_true(reaches(&fakes[0], nvme, IOVA, dma));
    assert_int_equal(iommu_unmap(domain, IOVA, IOVA + 0xfff, NULL), 0);
    assert_true(is_blocked(nvme));
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0x1fffff, dma, PT_READ), 0);
    assert_true(reaches(&fakes[0], nvme, IOVA, dma));
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_true(is_blocked(nvme));
    fake_vtd_on_flush(NULL);
    assert_true(looks > 10);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

/* As if the CPU that linked the context table had been stopped before it flushed the root entry. */
static void an_attach_flushes_a_root_entry_that_its_installer_has_not(void **state)
{
    const struct pci_address sibling = {0, other.bus, other.devfn - 1};
    struct iommu_domain *domain = create("a");
    uint64_t *root, linked;

    (void)state;
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0xfff, dma, PT_READ), 0);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    root = phys_to_virt(fakes[1].rtaddr & VTD_PAGE_ADDRESS);
    linked = root[2 * other.bus + 1];
    root[2 * other.bus + 1] = 0;
    platform_cache_flush(&root[2 * other.bus + 1], sizeof linked);
    root[2 * other.bus + 1] = linked;
    assert_true(is_blocked(other));
    assert_int_equal(iommu_attach(domain, sibling, IOMMU_NO_PASID), 0);
    assert_true(reaches(&fakes[1], sibling, IOVA, dma));
    assert_int_equal(iommu_detach(domain, sibling, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void a_device_that_no_unit_covers_is_refused(void **state)
{
    struct iommu_domain *domain = create("a");

    (void)state;
    assert_int_equal(iommu_attach(domain, (struct pci_address){1, 0, 0}, IOMMU_NO_PASID), ERR_NOT_FOUND);
    assert_int_equal(iommu_attach(domain, (struct pci_address){1, 0, 0}, IOMMU_NO_PASID), ERR_NOT_FOUND);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void check_pasid_entry(void **state, bool second_stage)
{
    struct iommu_domain *domain;
    const uint64_t *context, *directory, *entry;

    stop(state);
    fake_vtd_install(fakes, 2);
    fakes[0].ecap |= VTD_ECAP_SC | VTD_ECAP_SMPWC | (second_stage ? VTD_ECAP_SSTS : 0);
    assert_int_equal(init_as(2, "INTEL "), 0);
    domain = create("a");
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    context = (const uint64_t *)phys_to_virt(fakes[0].rtaddr & VTD_PAGE_ADDRESS);
    context = (const uint64_t *)phys_to_virt(context[0] & VTD_PAGE_ADDRESS) + 4 * FAKE_DEVFN_NVME;
    assert_int_equal(context[0] & 0xfff, 1 | 2 << 9); /* present; DTE, PASIDE and PRE 0; PDTS */
    assert_int_equal(context[1] | context[2] | context[3], 0);
    directory = (const uint64_t *)phys_to_virt(context[0] & VTD_PAGE_ADDRESS);
    entry = (const uint64_t *)phys_to_virt(directory[0] & VTD_PAGE_ADDRESS);
    assert_int_equal(entry[0], 1 | (second_stage ? 2 << 2 : 0) | 1 << 6); /* AW is reserved without */
    assert_int_equal(entry[1], domain->id | 1 << 23 | 1 << 24);
    assert_int_equal(entry[2], virt_to_phys(domain->pt.root));
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void the_pasid_entry_holds_what_the_unit_can(void **state)
{
    check_pasid_entry(state, true);
    check_pasid_entry(state, false);
}

static void dirty_bits_are_believed_where_the_walk_is_coherent_or_the_erratum_says_so(void **state)
{
    static const struct {
        const char *oem_id;
        bool coherent;
        bool tracks;
        unsigned flags;
    } cases[] = {
        {"BOCHS ", false, true, PT_INCOHERENT | PT_ACCESSED_IS_DIRTY},
        {"INTEL ", false, false, PT_INCOHERENT | PT_PRESET_DIRTY},
        {"INTEL ", true, true, PT_PRUNES},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct iommu_domain *domain;

        stop(state);
        install(state);
        for (unsigned unit = 0; unit < 2 && cases[i].coherent; unit++)
            fakes[unit].ecap |= VTD_ECAP_SMPWC;
        assert_int_equal(init_as(2, cases[i].oem_id), 0);
        domain = create("a");
        assert_int_equal(domain->tracks_dirty, cases[i].tracks);
        assert_int_equal(domain->pt.flags, cases[i].flags);
        assert_int_equal(strstr(host_log(), "ECAP.SMPWC") != NULL, !cases[i].tracks);
        assert_int_equal(iommu_domain_destroy(domain), 0);
    }
}

static void the_interrupt_window_cannot_be_mapped(void **state)
{
    struct iommu_domain *domain = create("a");

    (void)state;
    assert_int_equal(iommu_map(domain, 0xfee00000, 0xfee00fff, dma, PT_READ), ERR_RANGE);
    assert_int_equal(iommu_map(domain, 0xfedff000, 0xfee00fff, dma, PT_READ), ERR_RANGE);
    assert_int_equal(iommu_map(domain, 0xfeeff000, 0xfef00fff, dma, PT_READ), ERR_RANGE);
    assert_int_equal(iommu_map(domain, 0xfedff000, 0xfedfffff, dma, PT_READ), 0);
    assert_int_equal(iommu_map(domain, 0xfef00000, 0xfef00fff, dma, PT_READ), 0);
    assert_int_equal(iommu_map(domain, 1ull << 47, (1ull << 47) + 0xfff, dma, PT_READ), ERR_RANGE);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void an_unmap_invalidates_the_units_that_the_domain_is_on(void **state)
{
    struct iommu_domain *domain = create("a");
    unsigned before[2];

    (void)state;
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0xfff, dma, PT_READ), 0);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    before[0] = fakes[0].logged;
    before[1] = fakes[1].logged;
    assert_int_equal(iommu_unmap(domain, IOVA, IOVA + 0xfff, NULL), 0);
    assert_int_equal(fakes[0].logged, before[0] + 2);
    assert_int_equal(VTD_DESCRIPTOR_TYPE(fakes[0].log[before[0]]), VTD_DESCRIPTOR_PASID_IOTLB);
    assert_int_equal(fakes[0].log[before[0]].word[0] >> 16 & 0xffff, domain->id);
    assert_int_equal(fakes[1].logged, before[1]);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    before[1] = fakes[1].logged;
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0xfff, dma, PT_READ), 0);
    assert_int_equal(iommu_unmap(domain, IOVA, IOVA + 0xfff, NULL), 0);
    assert_int_equal(fakes[1].logged, before[1] + 2);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

/* Context cache, then PASID cache, then translations: what is refilled from a stale upper cache would stay,
 * and the domain's id may soon be another's. After the device's context entry comes the whole domain, as
 * table 28 of the specification has it. */
static void assert_invalidated_from_the_top_down(const struct vtd_descriptor *log, uint16_t did)
{
    uint64_t tag = (uint64_t)did << 16;

    assert_int_equal(log[0].word[0], VTD_DESCRIPTOR_CONTEXT | 3 << 4 | (uint64_t)pci_source_id(nvme) << 32);
    assert_int_equal(VTD_DESCRIPTOR_TYPE(log[1]), VTD_DESCRIPTOR_WAIT);
    assert_int_equal(log[2].word[0], VTD_DESCRIPTOR_PASID_CACHE | 0 << 4 | tag);
    assert_int_equal(log[3].word[0], VTD_DESCRIPTOR_IOTLB | 2 << 4 | 3 << 6 | tag);
    assert_int_equal(log[4].word[0], VTD_DESCRIPTOR_PASID_IOTLB | 2 << 4 | tag);
    assert_int_equal(VTD_DESCRIPTOR_TYPE(log[5]), VTD_DESCRIPTOR_WAIT);
}

static void attach_and_detach_invalidate_from_the_top_down(void **state)
{
    struct iommu_domain *domain = create("a");
    unsigned before = fakes[0].logged;

    (void)state;
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(fakes[0].logged, before + 12);
    assert_invalidated_from_the_top_down(&fakes[0].log[before], domain->id);
    assert_invalidated_from_the_top_down(&fakes[0].log[before + 6], domain->id);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void one_unit_that_does_not_confirm_fails_the_unmap(void **state)
{
    struct iommu_domain *domain = create("a");

    (void)state;
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0xfff, dma, PT_READ), 0);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    fakes[0].queue_dead = true;
    host_set_time_ns(1);
    assert_int_equal(iommu_unmap(domain, IOVA, IOVA + 0xfff, NULL), ERR_TIMEOUT);
    fakes[0].queue_dead = false;
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void an_id_that_a_unit_may_know_is_not_given_back(void **state)
{
    struct iommu_domain *domain = create("a");

    (void)state;
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    fakes[0].queue_dead = true;
    host_set_time_ns(1);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), ERR_TIMEOUT);
    assert_int_equal(iommu_domain_destroy(domain), 0);
    assert_non_null(strstr(host_log(), "the tree stay out of use"));
}

static void a_detach_that_is_not_confirmed_keeps_the_device_blocked_and_the_tables(void **state)
{
    struct iommu_domain *domain = create("a");
    const uint64_t *context, *directory, *entry;

    (void)state;
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0xfff, dma, PT_READ), 0);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    fakes[0].queue_dead = true;
    host_set_time_ns(1);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), ERR_TIMEOUT);
    assert_true(is_blocked(nvme));
    /* Of both entries only the present bit went: the unit may be in the middle of them. */
    context = (const uint64_t *)phys_to_virt(fakes[0].rtaddr & VTD_PAGE_ADDRESS);
    context = (const uint64_t *)phys_to_virt(context[0] & VTD_PAGE_ADDRESS) + 4 * FAKE_DEVFN_NVME;
    assert_int_equal(context[0] & 1, 0);
    directory = (const uint64_t *)phys_to_virt(context[0] & VTD_PAGE_ADDRESS);
    entry = (const uint64_t *)phys_to_virt(directory[0] & VTD_PAGE_ADDRESS);
    assert_int_equal(entry[0], 2 << 2 | 1 << 6);
    assert_int_equal(entry[2], virt_to_phys(domain->pt.root));
    assert_int_equal(domain->units, 1);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), ERR_TIMEOUT);
    assert_true(is_blocked(nvme));
    fakes[0].queue_dead = false;
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_true(reaches(&fakes[0], nvme, IOVA, dma));
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(domain->units, 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static uint64_t free_pages(void)
{
    struct page_alloc_stats stats;

    page_alloc_stats(&stats);
    return stats.free_pages;
}

/* The whole life of a domain, with one page more each time until there are enough: nothing fails half,
 * nothing leaks. */
static void memory_may_run_out_at_every_page(void **state)
{
    uint64_t before;
    bool done = false;

    assert_int_equal(iommu_init("", 0, &(struct iommu_config){0}),
                     ERR_MALFORMED); /* gives back what the last test left */
    before = free_pages();
    for (unsigned pages = 0; !done; pages++) {
        struct iommu_domain *domain = NULL;
        int error;

        install(state);
        host_leave_pages(pages);
        error = init_as(2, "BOCHS ");
        if (!error)
            domain = iommu_domain_create("a", &error);
        if (!error)
            error = iommu_attach(domain, nvme, IOMMU_NO_PASID);
        done = !error;
        if (error)
            assert_int_equal(error, ERR_NOMEM);
        else
            assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
        if (domain)
            assert_int_equal(iommu_domain_destroy(domain), 0);
        host_release_pages();
        stop(state);
        assert_int_equal(iommu_init("", 0, &(struct iommu_config){0}), ERR_MALFORMED);
        assert_int_equal(free_pages(), before);
        assert_true(pages < 64);
    }
}

int main(void)
{
#define RUNNING(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define OFF(test)     cmocka_unit_test_setup_teardown(test, install, stop)
    static const struct CMUnitTest tests[] = {
        RUNNING(units_come_on_in_scalable_mode_with_everything_blocked),
        RUNNING(devices_go_to_the_unit_that_covers_them),
        RUNNING(an_attached_device_reaches_what_is_mapped_and_nothing_else),
        RUNNING(a_unit_that_does_not_snoop_sees_every_change),
        RUNNING(an_attach_flushes_a_root_entry_that_its_installer_has_not),
        RUNNING(a_device_that_no_unit_covers_is_refused),
        RUNNING(the_pasid_entry_holds_what_the_unit_can),
        RUNNING(dirty_bits_are_believed_where_the_walk_is_coherent_or_the_erratum_says_so),
        RUNNING(the_interrupt_window_cannot_be_mapped),
        RUNNING(an_unmap_invalidates_the_units_that_the_domain_is_on),
        RUNNING(attach_and_detach_invalidate_from_the_top_down),
        RUNNING(one_unit_that_does_not_confirm_fails_the_unmap),
        RUNNING(an_id_that_a_unit_may_know_is_not_given_back),
        RUNNING(a_detach_that_is_not_confirmed_keeps_the_device_blocked_and_the_tables),
        OFF(memory_may_run_out_at_every_page),
    };

    host_memory_init(MEMORY_BYTES);
    fake_vtd_use_shadow(MEMORY_BYTES);
    rcu_cpu_online();
    dma = virt_to_phys(pages_alloc(9, PAGE_DMA));
    return cmocka_run_group_tests_name("vtd", tests, NULL, NULL);
}
