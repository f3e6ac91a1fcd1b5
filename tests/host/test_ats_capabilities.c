/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device's capabilities say of its ATS: whether it has it, whether it is on, and why not. */
#include "iommu/capabilities.h"
#include "iommu/domain.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/units.h"
#include "tests/host/ats_machine.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

static void assert_ats(struct pci_address device, bool has, const char *why_not)
{
    struct iommu_device_capabilities can;

    assert_int_equal(iommu_device_capabilities(device, &can), 0);
    assert_int_equal(can.has_ats, has);
    assert_int_equal(can.ats, !why_not);
    if (!can.why_no_ats || !why_not)
        assert_ptr_equal(can.why_no_ats, why_not);
    else
        assert_string_equal(can.why_no_ats, why_not);
}

static void it_is_on_for_as_long_as_its_device_is_attached(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    assert_ats(ats_port, true, "it is in no domain");
    ats_attach(domain, ats_port);
    assert_ats(ats_port, true, NULL);
    assert_ats(ats_port_other, true, "it is in no domain");
    ats_leave(domain, ats_port);
    assert_ats(ats_port, true, "it is in no domain");
    ats_end(domain);
}

static void what_the_platform_forbids_is_said_before_who_is_trusted(void **state)
{
    const struct iommu_config nobody = {0};

    assert_int_equal(ats_start_with(ONE_PORT, VTD_ECAP_DT, &nobody), 0);
    assert_ats(ats_without, false, "it has no ATS capability");
    assert_ats(ats_missing, false, "it has no ATS capability");
    assert_ats(ats_bridge, true, "there is a bridge above it that is no PCI Express port");
    assert_ats(ats_switch, true, "no ATSR of the DMAR table names its root port (8.5)");
    assert_ats(ats_port, true, "nobody trusts it with that");
    assert_int_equal(ats_stop(state), 0);
    assert_int_equal(ats_start_with(ONE_PORT, 0, &nobody), 0);
    assert_ats(ats_without, false, "it has no ATS capability");
    assert_ats(ats_port, true, "its unit knows no TLBs of devices (ECAP.DT)");
    assert_int_equal(ats_stop(state), 0);
}

static void who_needs_it_and_is_not_trusted_is_told_of(void **state)
{
    assert_int_equal(ats_start_with(SATC_REQUIRED, VTD_ECAP_DT, &(struct iommu_config){0}), 0);
    assert_ats(ats_integrated, true,
               "nobody trusts it with that, and it needs ATS to work (SATC, SIDP, 8.8)");
    assert_int_equal(ats_stop(state), 0);
}

static void who_works_for_firmware_has_none(void **state)
{
    host_set_reserved(ATS_RMRR, ATS_RMRR + PAGE_SIZE - 1);
    assert_int_equal(ats_start_with(RESERVED, VTD_ECAP_DT, ats_trusting()), 0);
    assert_ats(ats_integrated, true, "firmware goes on using it (RMRR)");
    assert_int_equal(ats_stop(state), 0);
    host_set_reserved(1, 0);
}

static void who_passes_through_has_none_meanwhile(void **state)
{
    struct iommu_config config;
    struct iommu_domain *pass;
    int error;

    config = *ats_trusting();
    config.trusted = config.ats;
    config.trusted_count = config.ats_count;
    assert_int_equal(ats_start_with(ALL_PORTS, VTD_ECAP_DT, &config), 0);
    pass = iommu_domain_create_pass_through("pass", &error);
    assert_non_null(pass);
    ats_attach(pass, ats_port);
    assert_ats(ats_port, true, "nothing is translated for it");
    assert_int_equal(iommu_detach(pass, ats_port, IOMMU_NO_PASID), 0);
    assert_ats(ats_port, true, "it is in no domain");
    assert_int_equal(iommu_domain_destroy(pass), 0);
    assert_int_equal(ats_stop(state), 0);
}

static bool silent_behind_port(const struct vtd_descriptor *descriptor)
{
    uint16_t source_id;

    return vtd_descriptor_owner(descriptor, &source_id) && source_id == pci_source_id(ats_port);
}

static void who_was_cut_off_has_none_until_it_comes_back(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    ats_attach(domain, ats_port);
    ats_unit.silent = silent_behind_port;
    assert_int_equal(ats_unmap(domain, 0, 1), 0);
    assert_ats(ats_port, true, "it is cut off");
    ats_unit.silent = NULL;
    ats_leave(domain, ats_port);
    assert_ats(ats_port, true, "it is in no domain");
    ats_attach(domain, ats_port);
    assert_ats(ats_port, true, NULL);
    ats_leave(domain, ats_port);
    ats_end(domain);
}

/* Who is trusted, and why each went without, is that of the units that are on. */
static void a_start_that_is_refused_changes_none_of_it(void **state)
{
    struct iommu_domain *domain = ats_create("a");
    uint8_t table[256];
    size_t bytes = fake_vtd_dmar(table, 1, "BOCHS ");

    (void)state;
    assert_int_equal(iommu_init(table, bytes, &(struct iommu_config){0}), ERR_BUSY);
    assert_ats(ats_port, true, "it is in no domain");
    ats_attach(domain, ats_port);
    assert_ats(ats_port, true, NULL);
    ats_leave(domain, ats_port);
    ats_end(domain);
}

#define ATS_TEST(test) cmocka_unit_test_setup_teardown(test, ats_start, ats_stop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        ATS_TEST(it_is_on_for_as_long_as_its_device_is_attached),
        cmocka_unit_test(what_the_platform_forbids_is_said_before_who_is_trusted),
        cmocka_unit_test(who_needs_it_and_is_not_trusted_is_told_of),
        cmocka_unit_test(who_works_for_firmware_has_none),
        cmocka_unit_test(who_passes_through_has_none_meanwhile),
        ATS_TEST(who_was_cut_off_has_none_until_it_comes_back),
        ATS_TEST(a_start_that_is_refused_changes_none_of_it),
    };

    ats_machine_init();
    return cmocka_run_group_tests_name("ats_capabilities", tests, NULL, NULL);
}
