/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices with ATS that are cut off, leave, and come back, here or in another domain: what is left of each on
 * its domain's list, and that the next is not taken for it. */
#include "iommu/domain.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/cut_off.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/pci_ats.h"
#include "lib/platform.h"
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

static bool is_context(const struct vtd_descriptor *descriptor)
{
    return VTD_DESCRIPTOR_TYPE(*descriptor) == VTD_DESCRIPTOR_CONTEXT;
}

static void assert_healthy(struct iommu_domain *domain, struct pci_address device, unsigned page)
{
    ats_unit.logged = 0;
    assert_int_equal(ats_unmap(domain, page, 1), 0);
    assert_int_equal(fake_vtd_count(&ats_unit, VTD_DESCRIPTOR_DEVICE_TLB), 1);
    assert_true(iommu_device_has_ats(device) && pci_ats_is_on(device));
    assert_false(iommu_device_is_cut_off(device));
}

/* It does not answer, and its DMA does not end either. */
static void fail_and_stay_busy(struct iommu_domain *domain)
{
    ats_unit.silent = silent_behind_port;
    fake_pci_find(ats_port)->pending_reads = FAKE_FOREVER;
    assert_int_equal(ats_unmap(domain, 0, 1), ERR_TIMEOUT);
    assert_int_equal(domain->ats_cut, 1);
}

/* A unit stays with a domain that a detach from was not confirmed. */
static void end(struct iommu_domain *domain)
{
    assert_int_equal(domain->ats, 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void get_well(void)
{
    ats_unit.silent = NULL;
    fake_pci_find(ats_port)->pending_reads = 0;
}

static void the_next_device_is_not_taken_for_one_that_was_cut_off(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    ats_attach(domain, ats_port);
    fail_and_stay_busy(domain);
    get_well();
    ats_leave(domain, ats_port);
    ats_attach(domain, ats_port_other);
    assert_int_equal(domain->ats, 1);
    assert_int_equal(pci_bus_master_set(ats_port_other, true), 0);
    for (unsigned page = 1; page < 4; page++)
        assert_healthy(domain, ats_port_other, page);
    assert_true(pci_bus_master_is_on(ats_port_other));
    ats_leave(domain, ats_port_other);
    end(domain);
}

/* The detach could not wait for its DMA, so what is unmapped stays in quarantine until somebody has. */
static void dma_that_outlives_a_detach_is_waited_for(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    ats_attach(domain, ats_port);
    fail_and_stay_busy(domain);
    assert_int_equal(iommu_domain_release_quarantine(domain), ERR_TIMEOUT);
    assert_int_equal(iommu_detach(domain, ats_port, IOMMU_NO_PASID), ERR_TIMEOUT);
    assert_int_equal(domain->ats, 1);
    assert_int_equal(iommu_domain_release_quarantine(domain), ERR_TIMEOUT);
    assert_int_equal(ats_unmap(domain, 1, 1), ERR_TIMEOUT);
    get_well();
    assert_int_equal(iommu_domain_release_quarantine(domain), 0);
    end(domain);
}

/* Nor does it come into another domain before: there its DMA could not be told from what it does then. */
static void nor_is_the_device_attached_before(void **state)
{
    struct iommu_domain *first = ats_create("a"), *second = ats_create("b");

    (void)state;
    first->owns_nothing = true; /* so that it goes on without a reset, which these functions have not */
    ats_attach(first, ats_port);
    fail_and_stay_busy(first);
    assert_int_equal(iommu_detach(first, ats_port, IOMMU_NO_PASID), ERR_TIMEOUT);
    ats_unit.silent = NULL;
    host_log_clear();
    assert_int_equal(iommu_attach(second, ats_port, IOMMU_NO_PASID), ERR_TIMEOUT);
    assert_int_equal(ats_log_lines("stays blocked: what it began before does not end"), 1);
    assert_int_equal(second->ats, 0);
    assert_false(iommu_device_has_ats(ats_port) || pci_ats_is_on(ats_port));
    get_well();
    ats_attach(second, ats_port);
    /* It may be as busy as it likes now. */
    fake_pci_find(ats_port)->pending_reads = FAKE_FOREVER;
    assert_int_equal(iommu_domain_release_quarantine(first), 0);
    assert_int_equal(first->ats, 0);
    get_well();
    assert_healthy(second, ats_port, 1);
    ats_leave(second, ats_port);
    end(first);
    end(second);
}

static void who_comes_back_after_an_unconfirmed_detach_is_on_the_list_once(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    ats_attach(domain, ats_port);
    ats_unit.refuses = is_context;
    assert_int_equal(iommu_detach(domain, ats_port, IOMMU_NO_PASID), ERR_HARDWARE);
    assert_int_equal(domain->ats & domain->ats_cut, 1);
    ats_unit.refuses = NULL;
    ats_attach(domain, ats_port);
    assert_true(domain->ats && !(domain->ats & (domain->ats - 1)));
    fake_pci_find(ats_port)->pending_reads = FAKE_FOREVER;
    assert_healthy(domain, ats_port, 0);
    get_well();
    ats_leave(domain, ats_port);
    ats_unit.logged = 0;
    assert_int_equal(ats_unmap(domain, 1, 1), 0);
    assert_int_equal(fake_vtd_count(&ats_unit, VTD_DESCRIPTOR_DEVICE_TLB), 0);
    end(domain);
}

/* The domain of its other PASID finds its ATS off, and asks the unit alone. */
static void who_was_cut_off_by_one_pasid_is_not_asked_by_another(void **state)
{
    struct iommu_domain *by_pasid, *without;
    uint64_t time_outs;

    (void)state;
    assert_int_equal(
        ats_start_with(ALL_PORTS, VTD_ECAP_DT | VTD_ECAP_DIT | VTD_ECAP_PASID | 14ull << 35, ats_trusting()),
        0);
    by_pasid = ats_create("a");
    without = ats_create("b");
    ats_attach(without, ats_port);
    assert_int_equal(iommu_attach(by_pasid, ats_port, 5), 0);
    ats_unit.silent = silent_behind_port;
    assert_int_equal(ats_unmap(by_pasid, 0, 1), 0);
    assert_true(iommu_device_is_cut_off(ats_port));
    assert_int_equal(without->ats, 1);
    time_outs = vtd_unit(0)->queue.stats.ite;
    assert_int_equal(ats_unmap(without, 0, 1), 0);
    assert_int_equal(vtd_unit(0)->queue.stats.ite - time_outs, 2);
    assert_int_equal(without->ats, 0);
    assert_int_equal(vtd_unit(0)->cut_offs, 1);
    assert_int_equal(iommu_detach(by_pasid, ats_port, 5), 0);
    ats_leave(without, ats_port);
    end(by_pasid);
    end(without);
    assert_int_equal(ats_stop(state), 0);
}

/* --- beside another CPU, which is what happens while this one waits --- */

static struct iommu_domain *beside;

/* Where the first CPU waits for the DMA of the device that it has cut off: it ends, the second one sees that
 * first, takes the device off the list, and attaches another. */
static void let_another_in(void)
{
    host_set_time_ns(platform_time_ns() + 5 * NS_PER_MS);
    if (!beside || !beside->ats_cut)
        return;
    fake_pci_find(ats_port)->pending_reads = 0;
    assert_int_equal(ats_unmap(beside, 1, 1), 0);
    assert_int_equal(beside->ats, 0);
    ats_attach(beside, ats_port_other);
    beside = NULL;
}

static void a_slot_that_is_in_use_still_is_not_given_to_another(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    ats_attach(domain, ats_port);
    beside = domain;
    ats_unit.silent = silent_behind_port;
    fake_pci_find(ats_port)->pending_reads = FAKE_FOREVER;
    host_set_relax(let_another_in);
    assert_int_equal(ats_unmap(domain, 0, 1), 0);
    assert_null(beside);
    assert_int_equal(domain->ats, 2); /* the second slot, which the first CPU has not taken off the list */
    assert_healthy(domain, ats_port_other, 2);
    ats_unit.silent = NULL;
    ats_leave(domain, ats_port);
    ats_leave(domain, ats_port_other);
    ats_attach(domain, ats_port); /* nobody uses the first any more */
    assert_int_equal(domain->ats, 1);
    ats_leave(domain, ats_port);
    end(domain);
}

/* As for an invalidation that the unit did not confirm, of a domain that the device is in by a PASID: after
 * the last that its attach waits for, and before it goes on. */
static void cut_off_at_the_end(const struct vtd_descriptor *descriptor)
{
    struct vtd_unit *unit = vtd_unit(0);

    if (VTD_DESCRIPTOR_TYPE(*descriptor) != VTD_DESCRIPTOR_PASID_IOTLB)
        return;
    ats_unit.on_done = NULL;
    assert_false(pci_bus_master_is_on(ats_port));
    assert_true(vtd_cut_off_device(unit, vtd_context_find(unit, ats_port), ats_port, false));
}

static void who_is_cut_off_before_it_goes_on_stays_stopped(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    assert_int_equal(pci_bus_master_set(ats_port, true), 0);
    ats_unit.on_done = cut_off_at_the_end;
    ats_attach(domain, ats_port);
    assert_null(ats_unit.on_done);
    assert_true(iommu_device_is_cut_off(ats_port));
    assert_false(pci_bus_master_is_on(ats_port));
    assert_int_equal(ats_log_lines("0000:01:00.0 was cut off while it was attached"), 1);
    ats_leave(domain, ats_port);
    end(domain);
}

/* --- a unit that waits long for a device --- */

#define UNIT_WAITS_NS (5 * NS_PER_S)

static struct iommu_domain *innocent;
static int innocent_error;
static uint64_t now_ns, time_out_ns, unmap_ns;

static void begin_to_wait(const struct vtd_descriptor *descriptor)
{
    if (!silent_behind_port(descriptor) || ats_unit.waits_held)
        return;
    ats_unit.waits_held = true;
    time_out_ns = now_ns + UNIT_WAITS_NS;
}

static void pass_time(void)
{
    now_ns += 5 * NS_PER_MS;
    host_set_time_ns(now_ns);
    if (ats_unit.waits_held && now_ns >= time_out_ns) {
        ats_unit.waits_held = false;
        ats_unit.held_count = 0;
        ats_unit.fsts |= VTD_FSTS_ITE;
        ats_unit.iqercd = (uint64_t)pci_source_id(ats_port) << 32;
    }
    if (unmap_ns && now_ns >= unmap_ns) {
        unmap_ns = 0;
        innocent_error = ats_unmap(innocent, 0, 1);
    }
}

static void a_late_time_out_costs_nobody_else(void **state)
{
    struct iommu_domain *domain = ats_create("a");

    (void)state;
    innocent = ats_create("b");
    ats_attach(domain, ats_port);
    ats_attach(domain, ats_port_other);
    ats_attach(innocent, ats_without);
    now_ns = platform_time_ns();
    host_set_relax(pass_time);
    ats_unit.on_done = begin_to_wait;
    unmap_ns = now_ns + 100 * NS_PER_MS;
    innocent_error = -1;
    assert_int_equal(ats_unmap(domain, 0, 1), 0);
    assert_int_equal(innocent_error, 0);
    assert_true(iommu_device_is_cut_off(ats_port));
    assert_false(iommu_device_is_cut_off(ats_port_other));
    assert_false(iommu_device_is_cut_off(ats_without));
    assert_int_equal(vtd_unit(0)->cut_offs, 1);
    ats_unit.on_done = NULL;
    ats_leave(domain, ats_port);
    ats_leave(domain, ats_port_other);
    assert_int_equal(iommu_detach(innocent, ats_without, IOMMU_NO_PASID), 0);
    end(domain);
    end(innocent);
}

#define ATS_TEST(test) cmocka_unit_test_setup_teardown(test, ats_start, ats_stop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        ATS_TEST(the_next_device_is_not_taken_for_one_that_was_cut_off),
        ATS_TEST(dma_that_outlives_a_detach_is_waited_for),
        ATS_TEST(nor_is_the_device_attached_before),
        ATS_TEST(who_comes_back_after_an_unconfirmed_detach_is_on_the_list_once),
        cmocka_unit_test(who_was_cut_off_by_one_pasid_is_not_asked_by_another),
        ATS_TEST(a_slot_that_is_in_use_still_is_not_given_to_another),
        ATS_TEST(who_is_cut_off_before_it_goes_on_stays_stopped),
        ATS_TEST(a_late_time_out_costs_nobody_else),
    };

    ats_machine_init();
    return cmocka_run_group_tests_name("ats_slots", tests, NULL, NULL);
}
