/* SPDX-License-Identifier: BSD-2-Clause */
/* ATS: who may have it, in which order it comes and goes, and what is invalidated. */
#include "iommu/capabilities.h"
#include "iommu/domain.h"
#include "iommu/vtd/ats_refusal.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/pci_ats.h"
#include "lib/units.h"
#include "tests/host/ats_machine.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define MANY (IOMMU_ATS_SLOTS + 1)

/* --- who may --- */

static void who_may(void **state)
{
    static const struct {
        enum ats_platform platform;
        bool legacy, no_dt;
        struct pci_address device;
        const char *why; /* part of it; NULL: it may */
    } cases[] = {
        {NO_ATSR, false, false, {0, 0, 3 << 3}, NULL},
        {SATC, false, false, {0, 0, 3 << 3}, NULL},
        {SATC_REQUIRED, false, false, {0, 0, 3 << 3}, NULL},
        {SATC, true, false, {0, 0, 3 << 3}, NULL},
        {SATC_REQUIRED, true, false, {0, 0, 3 << 3}, "ATC_REQUIRED"},
        {SIDP_REQUIRED, false, false, {0, 0, 3 << 3}, NULL},
        {SIDP_REQUIRED, true, false, {0, 0, 3 << 3}, "ATC_REQUIRED"},
        {SIDP_BESIDE_SATC, true, false, {0, 0, 3 << 3}, NULL}, /* SATCs count for nothing then (8.9) */
        {SIDP_REQUIRED_BESIDE_SATC, true, false, {0, 0, 3 << 3}, "ATC_REQUIRED"},
        {ALL_PORTS, false, true, {0, 1, 0}, "ECAP.DT"},
        {ALL_PORTS, false, false, {0, 0, 4 << 3}, "no ATS capability"},
        {ALL_PORTS, false, false, {0, 9, 0}, "no ATS capability"},
        {ALL_PORTS, false, false, {0, 1, 0}, NULL},
        {ALL_PORTS, false, false, {0, 5, 0}, NULL},
        {ALL_PORTS, false, false, {0, 2, 1 << 3}, "no PCI Express port"},
        {ONE_PORT, false, false, {0, 1, 0}, NULL},
        {ONE_PORT, false, false, {0, 5, 0}, "no ATSR"},
        {NO_ATSR, false, false, {0, 1, 0}, "no ATSR"},
        {OTHER_SEGMENT, false, false, {0, 1, 0}, "no ATSR"},
        {SATC, false, false, {0, 1, 0}, "no ATSR"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *why;
        unsigned depth = 0;

        assert_int_equal(ats_start_with(cases[i].platform, cases[i].no_dt ? 0 : VTD_ECAP_DT, ats_trusting()),
                         0);
        vtd_unit(0)->scalable = !cases[i].legacy; /* the fake cannot be run in legacy mode */
        why = vtd_ats_refusal(vtd_unit(0), cases[i].device, &depth);
        vtd_unit(0)->scalable = true;
        if (!why != !cases[i].why || (why && !strstr(why, cases[i].why)))
            fail_msg("case %u: %s", i, why ? why : "it may");
        assert_true(why || depth == ATS_DEPTH);
        ats_stop(state);
    }
}

static void a_port_that_blocks_what_is_translated_is_in_the_way(void **state)
{
    struct fake_function *port = fake_pci_find((struct pci_address){0, 0, 28 << 3});
    unsigned depth;
    const char *why;

    (void)state;
    assert_null(vtd_ats_refusal(vtd_unit(0), ats_port, &depth));
    fake_pci_put32(port, FAKE_ACS + 4, fake_pci_get32(port, FAKE_ACS + 4) | 2u << 16);
    why = vtd_ats_refusal(vtd_unit(0), ats_port, &depth);
    assert_non_null(why);
    assert_non_null(strstr(why, "Translation Blocking"));
}

static void who_has_no_port_above_it_is_an_integrated_endpoint(void **state)
{
    unsigned depth;
    const char *why;

    (void)state;
    fake_pci_make_express(fake_pci_find(ats_integrated), 0);
    why = vtd_ats_refusal(vtd_unit(0), ats_integrated, &depth);
    assert_non_null(why);
    assert_non_null(strstr(why, "no endpoint of the root complex"));
}

/* The second SIDP flag that counts: its requests may not be made to snoop. */
static void a_sidp_that_forbids_what_entries_say_is_obeyed(void **state)
{
    struct iommu_domain *domain;

    assert_int_equal(ats_start_with(SIDP_NO_SNOOP, VTD_ECAP_DT | VTD_ECAP_SC, ats_trusting()), 0);
    domain = ats_create("a");
    assert_int_equal(iommu_attach(domain, ats_integrated, IOMMU_NO_PASID), ERR_UNSUPPORTED);
    assert_int_equal(ats_log_lines("SIDP, PGSNP, 8.9"), 1);
    ats_attach(domain, ats_without);
    assert_int_equal(iommu_detach(domain, ats_without, IOMMU_NO_PASID), 0);
    ats_end(domain);
    assert_int_equal(ats_stop(state), 0);
}

static void who_may_not_is_attached_without(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    assert_non_null(strstr(host_log(), "this machine has no function 0000:09:00.0"));
    ats_attach(domain, ats_without);
    assert_non_null(strstr(host_log(), "0000:00:04.0 goes without ATS: it has no ATS capability"));
    assert_false(iommu_device_has_ats(ats_without));
    assert_int_equal(fake_vtd_count(&ats_unit, VTD_DESCRIPTOR_DEVICE_TLB), 0);
    assert_int_equal(ats_unmap(domain, 0, 1), 0);
    assert_int_equal(fake_vtd_count(&ats_unit, VTD_DESCRIPTOR_DEVICE_TLB), 0);
    assert_int_equal(iommu_detach(domain, ats_without, IOMMU_NO_PASID), 0);
    ats_end(domain);
}

static void nobody_is_trusted_by_itself(void **state)
{
    struct iommu_domain *domain;

    assert_int_equal(ats_start_with(SATC_REQUIRED, VTD_ECAP_DT, &(struct iommu_config){0}), 0);
    domain = ats_create("a");
    ats_attach(domain, ats_integrated);
    assert_false(pci_ats_is_on(ats_integrated));
    assert_non_null(strstr(host_log(), "0000:00:03.0 needs ATS to work"));
    assert_int_equal(iommu_detach(domain, ats_integrated, IOMMU_NO_PASID), 0);
    ats_end(domain);
    ats_stop(state);
}

static void keep_off(struct fake_function *function, unsigned offset, unsigned bytes)
{
    (void)bytes;
    if (offset == ATS_CONTROL)
        memset(&function->space[ATS_CONTROL], 0, 2);
}

static const char *why_no_ats(struct pci_address device)
{
    struct iommu_device_capabilities can;

    assert_int_equal(iommu_device_capabilities(device, &can), 0);
    assert_int_equal(can.ats, !can.why_no_ats);
    assert_int_equal(can.ats, iommu_device_has_ats(device) && !iommu_device_is_cut_off(device));
    return can.why_no_ats ? can.why_no_ats : "on";
}

static void a_device_that_does_not_take_it_goes_without(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    fake_pci_find(ats_port)->written = keep_off;
    assert_int_equal(pci_bus_master_set(ats_port, true), 0);
    ats_attach(domain, ats_port);
    assert_non_null(strstr(host_log(), "goes without ATS: it does not keep what is written"));
    assert_string_equal(why_no_ats(ats_port), "it does not keep what is written");
    assert_false(iommu_device_has_ats(ats_port));
    assert_true(pci_bus_master_is_on(ats_port));
    assert_int_equal(iommu_detach(domain, ats_port, IOMMU_NO_PASID), 0);
    ats_end(domain);
}

/* --- coming and going --- */

static unsigned switched;

/* Its DMA is stopped, and its unit lets nothing of it through. */
static void note_switch(struct fake_function *function, unsigned offset, unsigned bytes)
{
    const uint64_t *context = vtd_context_find(vtd_unit(0), function->address);

    (void)bytes;
    if (offset != ATS_CONTROL)
        return;
    switched++;
    assert_false(pci_bus_master_is_on(function->address));
    assert_false(context && *context & VTD_CONTEXT_PRESENT);
}

static const struct vtd_descriptor *from_end(unsigned n)
{
    return &ats_unit.log[(ats_unit.logged - 1 - n) % FAKE_LOG];
}

static void it_comes_and_goes_in_order(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    switched = 0;
    fake_pci_find(ats_port)->written = note_switch;
    assert_int_equal(pci_bus_master_set(ats_port, true), 0);
    ats_attach(domain, ats_port);
    assert_int_equal(switched, 1);
    assert_true(pci_ats_is_on(ats_port) && pci_bus_master_is_on(ats_port));
    assert_true(iommu_device_has_ats(ats_port));
    assert_int_equal(domain->ats, 1);
    ats_leave(domain, ats_port);
    assert_int_equal(switched, 2);
    /* The last that the unit was told: the device is to drop everything, after the unit has. */
    assert_int_equal(VTD_DESCRIPTOR_TYPE(*from_end(0)), VTD_DESCRIPTOR_WAIT);
    assert_int_equal(VTD_DESCRIPTOR_TYPE(*from_end(1)), VTD_DESCRIPTOR_DEVICE_TLB);
    assert_true(from_end(1)->word[1] == 0x7ffffffffffff001);
    assert_int_equal(VTD_DESCRIPTOR_TYPE(*from_end(2)), VTD_DESCRIPTOR_WAIT);
    assert_int_equal(VTD_DESCRIPTOR_TYPE(*from_end(3)), VTD_DESCRIPTOR_PASID_IOTLB);
    ats_end(domain);
}

static void a_domain_has_room_for_so_many(void **state)
{
    struct iommu_domain *domain;

    assert_int_equal(ats_start_with(NO_ATSR, VTD_ECAP_DT, ats_trusting()), 0);
    for (unsigned i = 0; i < MANY; i++) {
        struct fake_function *function = fake_pci_add(0x20, i >> 3, i & 7, 0x1000);

        ats_trusted[i] = (struct pci_address){0, 0x20, (uint8_t)i};
        fake_pci_make_express(function, 9);
        ats_give(function);
    }
    domain = ats_create("a");
    for (unsigned i = 0; i < MANY; i++)
        ats_attach(domain, ats_trusted[i]);
    assert_int_equal(ats_log_lines("as many devices with ATS as it can have"), 1);
    assert_string_equal(why_no_ats(ats_trusted[MANY - 1]),
                        "the domain has as many devices with ATS as it can have");
    assert_string_equal(why_no_ats(ats_trusted[MANY - 2]), "on");
    assert_false(pci_ats_is_on(ats_trusted[MANY - 1]));
    /* All of one unit are one batch: with a descriptor each there is no room for blocks. */
    assert_int_equal(ats_unmap(domain, 3, 5), 0);
    assert_int_equal(fake_vtd_count(&ats_unit, VTD_DESCRIPTOR_DEVICE_TLB), IOMMU_ATS_SLOTS);
    assert_true(from_end(1)->word[1] == 0x7ffffffffffff001);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(iommu_detach(domain, ats_trusted[i], IOMMU_NO_PASID), 0);
    ats_end(domain);
    ats_stop(state);
}

/* --- what is invalidated --- */

static void descriptors_have_their_fields(void **state)
{
    const struct vtd_tlb_owner owner = {0x1234, 0xabcd, 8};
    struct vtd_descriptor d = vtd_descriptor_device_tlb(owner, 0x5000, 0);
    uint16_t source_id;

    (void)state;
    assert_true(d.word[0] == 0xabc012340008d003 && d.word[1] == 0x5000);
    assert_true(vtd_descriptor_owner(&d, &source_id) && source_id == 0x1234);
    assert_true(vtd_descriptor_device_tlb(owner, 0x4000, 1).word[1] == 0x4001);
    assert_true(vtd_descriptor_device_tlb(owner, 0x200000, 9).word[1] == 0x2ff001);
    assert_true(vtd_descriptor_device_tlb(owner, 0, VTD_DEVICE_TLB_ALL).word[1] == 0x7ffffffffffff001);
    d = vtd_descriptor_pasid_device_tlb(owner, 0x54321, 0x4000, 1);
    assert_true(d.word[0] == 0xabc543211234d088 && d.word[1] == 0x4800);
    assert_true(vtd_descriptor_owner(&d, &source_id) && source_id == 0x1234);
    d = vtd_descriptor_iotlb_global();
    assert_false(vtd_descriptor_owner(&d, &source_id));
}

static void an_unmap_tells_the_unit_and_then_the_devices(void **state)
{
    struct iommu_domain *domain = ats_create("a");
    uint64_t sid = pci_source_id(ats_port);

    (void)state;
    ats_attach(domain, ats_port);
    ats_attach(domain, ats_port_other);
    assert_int_equal(ats_unmap(domain, 4, 2), 0);
    assert_int_equal(fake_vtd_count(&ats_unit, VTD_DESCRIPTOR_DEVICE_TLB), 2);
    assert_int_equal(VTD_DESCRIPTOR_TYPE(*from_end(0)), VTD_DESCRIPTOR_WAIT);
    assert_true(from_end(1)->word[0] >> 32 == sid + 1 && from_end(2)->word[0] >> 32 == sid);
    assert_int_equal(from_end(2)->word[0] >> 16 & 0x1f, ATS_DEPTH);
    assert_true(from_end(2)->word[1] == (ATS_IOVA | 0x4000 | 1));
    assert_int_equal(VTD_DESCRIPTOR_TYPE(*from_end(3)), VTD_DESCRIPTOR_WAIT);
    assert_int_equal(VTD_DESCRIPTOR_TYPE(*from_end(4)), VTD_DESCRIPTOR_PASID_IOTLB);
    ats_leave(domain, ats_port);
    ats_leave(domain, ats_port_other);
    ats_end(domain);
}

static void a_pasid_has_descriptors_of_its_own(void **state)
{
    struct iommu_domain *domain, *other;

    assert_int_equal(
        ats_start_with(ALL_PORTS, VTD_ECAP_DT | VTD_ECAP_DIT | VTD_ECAP_PASID | 14ull << 35, ats_trusting()),
        0);
    domain = ats_create("a");
    other = ats_create("b");
    ats_attach(other, ats_port);
    assert_int_equal(iommu_attach(domain, ats_port, 5), 0);
    assert_int_equal(ats_unmap(domain, 4, 1), 0);
    assert_int_equal(fake_vtd_count(&ats_unit, VTD_DESCRIPTOR_DEVICE_TLB), 0);
    assert_int_equal(fake_vtd_count(&ats_unit, VTD_DESCRIPTOR_PASID_DEVICE_TLB), 1);
    assert_true((from_end(1)->word[0] >> 32 & 0xfffff) == 5);
    assert_int_equal(from_end(1)->word[0] >> 52, pci_source_id(ats_port) >> 4);
    assert_int_equal(iommu_detach(domain, ats_port, 5), 0);
    assert_true(pci_ats_is_on(ats_port) && iommu_device_has_ats(ats_port));
    ats_leave(other, ats_port);
    ats_end(domain);
    ats_end(other);
    ats_stop(state);
}

#define ATS_TEST(test) cmocka_unit_test_setup_teardown(test, ats_start, ats_stop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may),
        ATS_TEST(a_port_that_blocks_what_is_translated_is_in_the_way),
        ATS_TEST(who_has_no_port_above_it_is_an_integrated_endpoint),
        cmocka_unit_test(a_sidp_that_forbids_what_entries_say_is_obeyed),
        ATS_TEST(who_may_not_is_attached_without),
        cmocka_unit_test(nobody_is_trusted_by_itself),
        ATS_TEST(a_device_that_does_not_take_it_goes_without),
        ATS_TEST(it_comes_and_goes_in_order),
        cmocka_unit_test(a_domain_has_room_for_so_many),
        cmocka_unit_test(descriptors_have_their_fields),
        ATS_TEST(an_unmap_tells_the_unit_and_then_the_devices),
        cmocka_unit_test(a_pasid_has_descriptors_of_its_own),
    };

    ats_machine_init();
    return cmocka_run_group_tests_name("ats", tests, NULL, NULL);
}
