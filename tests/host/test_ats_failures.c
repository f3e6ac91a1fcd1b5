/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices with ATS that do not answer: each is cut off, and nobody else. */
#include "iommu/domain.h"
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

static bool silent_behind_port(const struct vtd_descriptor *descriptor)
{
    uint16_t source_id;

    return vtd_descriptor_owner(descriptor, &source_id) && source_id == pci_source_id(ats_port);
}

static void one_alone_is_cut_off(void)
{
    struct iommu_domain *domain = ats_create("a");

    ats_attach(domain, ats_port);
    ats_attach(domain, ats_port_other);
    ats_unit.silent = silent_behind_port;
    assert_int_equal(ats_unmap(domain, 0, 1), 0);
    assert_true(iommu_device_is_cut_off(ats_port));
    assert_false(iommu_device_is_cut_off(ats_port_other));
    assert_int_equal(vtd_unit(0)->cut_offs, 1);
    assert_int_equal(ats_log_lines("0000:01:00.0 of domain a is cut off"), 1);
    assert_int_equal(domain->ats, 2);
    ats_unit.logged = 0;
    assert_int_equal(ats_unmap(domain, 1, 1), 0);
    assert_int_equal(fake_vtd_count(&ats_unit, VTD_DESCRIPTOR_DEVICE_TLB), 1);
    ats_leave(domain, ats_port);
    ats_leave(domain, ats_port_other);
    ats_end(domain);
}

static void who_does_not_answer_is_cut_off(void **state)
{
    (void)state;
    one_alone_is_cut_off();
}

static void also_when_the_unit_names_nobody(void **state)
{
    (void)state;
    ats_unit.names_nobody = true;
    one_alone_is_cut_off();
}

static void who_is_gone_is_cut_off(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    ats_attach(domain, ats_port);
    ats_unit.silent = silent_behind_port;
    fake_pci_find(ats_port)->address.bus = 0x77;
    host_log_clear();
    assert_int_equal(ats_unmap(domain, 0, 1), 0);
    assert_true(iommu_device_is_cut_off(ats_port));
    assert_null(strstr(host_log(), "circle"));
    assert_int_equal(iommu_detach(domain, ats_port, IOMMU_NO_PASID), 0);
    ats_end(domain);
}

static void who_leaves_without_an_answer_is_blocked(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    ats_attach(domain, ats_port);
    ats_unit.silent = silent_behind_port;
    ats_leave(domain, ats_port);
    assert_non_null(strstr(host_log(), "is blocked, and does not say"));
    ats_end(domain);
}

static bool is_global(const struct vtd_descriptor *descriptor)
{
    return VTD_DESCRIPTOR_TYPE(*descriptor) == VTD_DESCRIPTOR_CONTEXT &&
           VTD_DESCRIPTOR_GRANULARITY(*descriptor) == 1;
}

static void a_unit_that_keeps_its_entry_is_asked_again(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    ats_attach(domain, ats_port);
    ats_unit.silent = silent_behind_port;
    ats_unit.refuses = is_global;
    assert_int_equal(ats_unmap(domain, 0, 1), ERR_HARDWARE);
    assert_true(iommu_device_is_cut_off(ats_port));
    assert_int_equal(domain->ats_cut, 1);
    assert_int_equal(ats_unmap(domain, 1, 1), ERR_HARDWARE);
    ats_unit.refuses = NULL;
    assert_int_equal(iommu_domain_release_quarantine(domain), 0);
    assert_int_equal(domain->ats, 0);
    assert_int_equal(vtd_unit(0)->cut_offs, 1);
    ats_leave(domain, ats_port);
    ats_end(domain);
}

static void who_still_reads_is_waited_for(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    ats_attach(domain, ats_port);
    ats_unit.silent = silent_behind_port;
    fake_pci_find(ats_port)->pending_reads = FAKE_FOREVER;
    assert_int_equal(ats_unmap(domain, 0, 1), ERR_TIMEOUT);
    fake_pci_find(ats_port)->pending_reads = 0;
    assert_int_equal(iommu_domain_release_quarantine(domain), 0);
    ats_leave(domain, ats_port);
    ats_end(domain);
}

#define ATS_TEST(test) cmocka_unit_test_setup_teardown(test, ats_start, ats_stop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        ATS_TEST(who_does_not_answer_is_cut_off),
        ATS_TEST(also_when_the_unit_names_nobody),
        ATS_TEST(who_is_gone_is_cut_off),
        ATS_TEST(who_leaves_without_an_answer_is_blocked),
        ATS_TEST(a_unit_that_keeps_its_entry_is_asked_again),
        ATS_TEST(who_still_reads_is_waited_for),
    };

    ats_machine_init();
    return cmocka_run_group_tests_name("ats_failures", tests, NULL, NULL);
}
