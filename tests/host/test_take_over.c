/* SPDX-License-Identifier: BSD-2-Clause */
/* Fake units that are found in use: each state that firmware may leave them in, and what cannot be taken over
 * without a gap. */
#include "iommu/iommu.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/units.h"
#include "tests/host/fake_pci.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define FOUND_ROOT 0x7f000000ull /* where nobody's memory is */

static struct fake_vtd fakes[2];
static struct fake_function *device; /* which masters the bus */
static void *ring;                   /* of the queue that is found */

static int install(void **state)
{
    static const uint16_t segments[] = {0};

    (void)state;
    fake_vtd_install(fakes, 2);
    fake_pci_install();
    device = fake_pci_add(0, 3, 0, 0x5845);
    device->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    ring = pages_alloc(0, PAGE_HYPERVISOR);
    host_set_reserved(virt_to_phys(ring), virt_to_phys(ring) + PAGE_SIZE - 1);
    host_set_time_ns(1);
    host_log_clear();
    return pci_scan(segments, 1);
}

static int start_with(const struct iommu_config *config)
{
    uint8_t table[256];
    size_t bytes = fake_vtd_dmar(table, 1, "BOCHS ");

    return iommu_init(table, bytes, config);
}

static int start(void)
{
    return start_with(&(struct iommu_config){.x2apic = true});
}

static int stop(void **state)
{
    (void)state;
    iommu_shutdown();
    pages_free(ring);
    host_set_reserved(1, 0);
    return fakes[0].broken_rules != 0;
}

static bool masters_bus(void)
{
    return device->space[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

static void assert_said(const char *text)
{
    if (!strstr(host_log(), text))
        fail_msg("not in the log: %s\n%s", text, host_log());
}

static void assert_on(void)
{
    assert_int_equal(fakes[0].gsts & (VTD_GSTS_TES | VTD_GSTS_QIES), VTD_GSTS_TES | VTD_GSTS_QIES);
    assert_int_equal(fakes[0].root & VTD_RTADDR_TTM, VTD_RTADDR_TTM_SCALABLE);
    assert_int_equal(fakes[0].root & VTD_PAGE_ADDRESS, virt_to_phys(vtd_unit(0)->root));
    assert_false(fakes[0].contexts_owed || fakes[0].iotlb_owed);
}

/* --- translation --- */

static void in_the_same_mode_translation_never_goes_off(void **state)
{
    (void)state;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT | VTD_RTADDR_TTM_SCALABLE);
    assert_int_equal(start(), 0);
    assert_on();
    assert_true(fakes[0].translated_always);
    assert_false(masters_bus());
    assert_said("vtd0: found on: translation (scalable mode)");
}

static void nor_in_another_mode_where_the_unit_can_do_that(void **state)
{
    (void)state;
    fakes[0].cap |= VTD_CAP_ESRTPS;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT);
    assert_int_equal(start(), 0);
    assert_on();
    assert_true(fakes[0].translated_always);
    assert_said("found on: translation (legacy mode)");
}

static void elsewhere_it_goes_off_while_bus_mastering_is_off(void **state)
{
    (void)state;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT);
    assert_int_equal(start(), 0);
    assert_on();
    assert_false(fakes[0].translated_always);
    assert_said("translation is off while its mode changes: bus mastering is off");
}

static void which_bits_allow_access_is_part_of_the_mode(void **state)
{
    (void)state;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT | VTD_RTADDR_TTM_SCALABLE | VTD_RTADDR_SSIRWE);
    assert_int_equal(start(), 0);
    assert_on();
    assert_false(fakes[0].translated_always);
}

static void a_mode_that_nobody_knows_is_another_one(void **state)
{
    (void)state;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT | VTD_RTADDR_TTM);
    assert_int_equal(start(), 0);
    assert_on();
    assert_false(fakes[0].translated_always);
    assert_said("translation (another mode)");
}

static void protected_regions_cover_the_gap(void **state)
{
    (void)state;
    fakes[0].cap |= VTD_CAP_PLMR | VTD_CAP_PHMR;
    device->master_is_fixed = true;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT);
    assert_int_equal(start(), 0);
    assert_on();
    assert_true(fakes[0].protected_in_gap);
    assert_int_equal(fakes[0].plmbase, 0);
    assert_int_equal(fakes[0].plmlimit, ~0u);
    assert_int_equal(fakes[0].phmbase, 4 * GIB);
    assert_int_equal(fakes[0].phmlimit, (1ull << 48) - 1);
    assert_int_equal(fakes[0].pmen, 0);
    assert_said("all memory is in protected regions");
}

static void one_region_does_where_no_memory_is_above_it(void **state)
{
    (void)state;
    fakes[0].cap |= VTD_CAP_PLMR;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT);
    assert_int_equal(start(), 0);
    assert_true(fakes[0].protected_in_gap);
    assert_int_equal(fakes[0].phmlimit, 0);
}

static void regions_that_are_on_stay_as_they_are(void **state)
{
    (void)state;
    fakes[0].cap |= VTD_CAP_PLMR;
    fakes[0].pmen = VTD_PMEN_EPM | VTD_PMEN_PRS;
    fakes[0].plmlimit = 0x1000;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT);
    assert_int_equal(start(), 0);
    assert_true(fakes[0].protected_in_gap);
    assert_int_equal(fakes[0].plmlimit, 0x1000);
    assert_int_equal(fakes[0].pmen, 0);
    assert_said("bus mastering is off");
}

static void regions_that_do_not_come_on_are_no_cover(void **state)
{
    (void)state;
    fakes[0].cap |= VTD_CAP_PLMR;
    fakes[0].protection_dead = true;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT);
    assert_int_equal(start(), ERR_TIMEOUT);
    assert_true(fakes[0].translated_always);
    assert_said("protected memory regions do not go on");
}

static void a_device_that_does_not_stop_is_refused_a_gap(void **state)
{
    (void)state;
    device->master_is_fixed = true;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT);
    assert_int_equal(start(), ERR_UNSUPPORTED);
    assert_said("translation would have to go off, and 0000:00:03.0 masters the bus");
    /* And firmware's tables go on checking it. */
    assert_true(fakes[0].translated_always);
    assert_int_equal(fakes[0].gsts & VTD_GSTS_TES, VTD_GSTS_TES);
    assert_int_equal(fakes[0].root, FOUND_ROOT);
    iommu_shutdown();
    assert_int_equal(fakes[0].gsts & VTD_GSTS_TES, VTD_GSTS_TES);
    /* Once it does stop the unit can be had. */
    device->master_is_fixed = false;
    assert_int_equal(start(), 0);
    assert_on();
}

static void a_root_table_in_memory_that_nobody_kept_is_said(void **state)
{
    (void)state;
    fake_vtd_found_translating(&fakes[0], virt_to_phys(ring) | VTD_RTADDR_TTM_SCALABLE);
    assert_int_equal(start(), 0);
    assert_said("lies in memory that nobody kept");
}

static void what_was_stopped_starts_again(void **state)
{
    (void)state;
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT | VTD_RTADDR_TTM_SCALABLE);
    assert_int_equal(start(), 0);
    iommu_shutdown();
    assert_int_equal(fakes[0].gsts & (VTD_GSTS_TES | VTD_GSTS_QIES | VTD_GSTS_IRES), 0);
    host_log_clear();
    assert_int_equal(start(), 0);
    assert_on();
    assert_null(strstr(host_log(), "found on"));
}

/* --- the queue --- */

static void the_queue_runs_dry_first(void **state)
{
    for (unsigned wide = 0; wide < 2; wide++) {
        if (wide) {
            stop(state);
            install(state);
        }
        fake_vtd_found_queue(&fakes[0], ring, wide, 5);
        assert_int_equal(start(), 0);
        assert_on();
        /* The five, and the wait that tells that they are complete; then the driver's own. */
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(VTD_DESCRIPTOR_TYPE(fakes[0].log[i]), VTD_DESCRIPTOR_CONTEXT);
        assert_int_equal(VTD_DESCRIPTOR_TYPE(fakes[0].log[5]), VTD_DESCRIPTOR_WAIT);
    }
}

static void an_error_that_stopped_it_is_taken_away(void **state)
{
    (void)state;
    fake_vtd_found_queue(&fakes[0], ring, false, 2);
    fakes[0].fsts = VTD_FSTS_ITE | VTD_FSTS_ICE;
    assert_int_equal(start(), 0);
    assert_on();
}

static void a_queue_that_never_runs_dry_is_an_error(void **state)
{
    (void)state;
    fake_vtd_found_queue(&fakes[0], ring, false, 2);
    fakes[0].queue_dead = true;
    assert_int_equal(start(), ERR_TIMEOUT);
    assert_said("the queue that was found on does not run dry");
    assert_int_equal(fakes[0].gsts & VTD_GSTS_QIES, VTD_GSTS_QIES);
    fakes[0].queue_dead = false;
}

static unsigned drops_left;

/* The unit gives up on a device, and drops what it held. */
static void drop_wait(void)
{
    static uint64_t now_ns;

    host_set_time_ns(now_ns += 5 * NS_PER_MS);
    if (!fakes[0].held_count)
        return;
    fakes[0].held_count = 0;
    fakes[0].fsts |= VTD_FSTS_ITE;
    drops_left--;
    fakes[0].waits_held = drops_left > 0;
}

static void a_wait_that_a_time_out_drops_is_put_again(void **state)
{
    (void)state;
    fake_vtd_found_queue(&fakes[0], ring, false, 2);
    fakes[0].waits_held = true;
    drops_left = 3;
    host_set_relax(drop_wait);
    assert_int_equal(start(), 0);
    assert_int_equal(drops_left, 0);
    assert_on();
}

static void but_not_for_ever(void **state)
{
    (void)state;
    fake_vtd_found_queue(&fakes[0], ring, false, 2);
    fakes[0].waits_held = true;
    drops_left = 1000;
    host_set_relax(drop_wait);
    assert_int_equal(start(), ERR_TIMEOUT);
    assert_int_equal(drops_left, 1000 - 16);
    fakes[0].waits_held = false;
}

static void so_is_one_that_fetches_and_does_not_complete(void **state)
{
    (void)state;
    fake_vtd_found_queue(&fakes[0], ring, false, 2);
    fakes[0].waits_held = true;
    assert_int_equal(start(), ERR_TIMEOUT);
    assert_int_equal(fakes[0].gsts & VTD_GSTS_QIES, VTD_GSTS_QIES);
}

static void a_descriptor_that_is_refused_time_after_time_is_an_error(void **state)
{
    (void)state;
    fake_vtd_found_queue(&fakes[0], ring, false, 2);
    fakes[0].refuse_type = VTD_DESCRIPTOR_CONTEXT;
    assert_int_equal(start(), ERR_TIMEOUT);
    assert_said("fault status 0x10");
}

/* Nothing is written there: it may be anybody's. */
static void a_queue_in_memory_that_nobody_kept_is_left_alone(void **state)
{
    const uint8_t zeroes[16] = {0};

    (void)state;
    host_set_reserved(1, 0);
    fake_vtd_found_queue(&fakes[0], ring, false, 1);
    fakes[0].ends_in_wait = true;
    fakes[0].broken_rules = 0;
    (void)start();
    assert_said("lies in memory that nobody kept");
    assert_memory_equal((uint8_t *)ring + 16, zeroes, 16);
    fakes[0].broken_rules = 0; /* its last descriptor was no wait */
}

/* --- interrupts and events --- */

static void found_remapping(bool extended, bool compatible)
{
    fakes[0].ecap |= VTD_ECAP_EIM;
    fakes[0].gsts |= VTD_GSTS_IRES | VTD_GSTS_IRTPS | (compatible ? VTD_GSTS_CFIS : 0);
    fakes[0].irta = fakes[0].interrupt_table = FOUND_ROOT | (extended ? VTD_IRTA_EIME : 0) | 7;
}

static void interrupt_remapping_changes_hands_on(void **state)
{
    (void)state;
    found_remapping(true, true);
    assert_int_equal(start(), 0);
    assert_int_equal(fakes[0].gsts & (VTD_GSTS_IRES | VTD_GSTS_CFIS), VTD_GSTS_IRES);
    assert_int_equal(fakes[0].interrupt_table & VTD_PAGE_ADDRESS,
                     virt_to_phys(vtd_unit(0)->interrupts.table.entries));
    assert_false(fakes[0].interrupts_owed);
    assert_null(strstr(host_log(), "goes off"));
}

static void it_goes_off_while_eime_changes(void **state)
{
    (void)state;
    found_remapping(false, false);
    assert_int_equal(start(), 0);
    assert_int_equal(fakes[0].gsts & VTD_GSTS_IRES, VTD_GSTS_IRES);
    assert_int_equal(fakes[0].interrupt_table & VTD_IRTA_EIME, VTD_IRTA_EIME);
    assert_said("goes off while the size of APIC ids changes");
}

static void where_it_is_not_wanted_it_goes_off(void **state)
{
    (void)state;
    found_remapping(true, false);
    assert_int_equal(start_with(&(struct iommu_config){.x2apic = true, .no_interrupt_remapping = true}), 0);
    assert_int_equal(fakes[0].gsts & VTD_GSTS_IRES, 0);
    assert_said("interrupt remapping, which was found on, goes off");
}

static void events_of_an_earlier_user_are_masked(void **state)
{
    (void)state;
    fakes[0].ecap |= VTD_ECAP_PRS;
    fakes[0].iectl = fakes[0].pectl = fakes[0].fectl = 0;
    assert_int_equal(start(), 0);
    assert_int_equal(fakes[0].iectl, VTD_IECTL_IM);
    assert_int_equal(fakes[0].pectl, VTD_PECTL_IM);
}

static void page_requests_are_drained_and_off(void **state)
{
    unsigned waits;

    (void)state;
    assert_int_equal(start(), 0);
    waits = fake_vtd_count(&fakes[0], VTD_DESCRIPTOR_WAIT);
    stop(state);
    install(state);
    fakes[0].ecap |= VTD_ECAP_PRS | VTD_ECAP_PDS;
    fakes[0].pqa = FOUND_ROOT;
    fakes[0].pqh = 0x20;
    fakes[0].pqt = 0x60;
    fakes[0].prs = VTD_PRS_PPR | VTD_PRS_PRO;
    assert_int_equal(start(), 0);
    assert_int_equal(fakes[0].pqa | fakes[0].pqh | fakes[0].pqt | fakes[0].prs, 0);
    assert_int_equal(fake_vtd_count(&fakes[0], VTD_DESCRIPTOR_WAIT), waits + 2);
    assert_said("page requests, which were found on, are drained and off");
}

/* --- ATS and page requests of functions --- */

#define ATS_AT 0x100u
#define PRI_AT 0x120u

static void put_ats(uint16_t pri_status)
{
    fake_pci_make_express(device, 0);
    fake_pci_put32(device, ATS_AT, PRI_AT << 20 | 0x1000fu);
    fake_pci_put32(device, ATS_AT + 4, 0x80000000u);
    fake_pci_put32(device, PRI_AT, 0x10013u);
    fake_pci_put32(device, PRI_AT + 4, (uint32_t)pri_status << 16 | 1);
}

static void ats_and_page_requests_that_were_left_on_go_off(void **state)
{
    (void)state;
    put_ats(1 << 8);
    assert_int_equal(start(), 0);
    assert_int_equal(fake_pci_get32(device, ATS_AT + 4) >> 31, 0);
    assert_int_equal(fake_pci_get32(device, PRI_AT + 4) & 1, 0);
    assert_said("ATS or page requests switched off (1 functions");
    assert_null(strstr(host_log(), "do not stop"));
}

static void page_requests_that_never_stop_are_said(void **state)
{
    (void)state;
    put_ats(0);
    assert_int_equal(start(), 0);
    assert_said("0000:00:03.0: page requests do not stop");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, install, stop)
    static const struct CMUnitTest tests[] = {
        CASE(in_the_same_mode_translation_never_goes_off),
        CASE(nor_in_another_mode_where_the_unit_can_do_that),
        CASE(elsewhere_it_goes_off_while_bus_mastering_is_off),
        CASE(which_bits_allow_access_is_part_of_the_mode),
        CASE(a_mode_that_nobody_knows_is_another_one),
        CASE(protected_regions_cover_the_gap),
        CASE(one_region_does_where_no_memory_is_above_it),
        CASE(regions_that_are_on_stay_as_they_are),
        CASE(regions_that_do_not_come_on_are_no_cover),
        CASE(a_device_that_does_not_stop_is_refused_a_gap),
        CASE(a_root_table_in_memory_that_nobody_kept_is_said),
        CASE(what_was_stopped_starts_again),
        CASE(the_queue_runs_dry_first),
        CASE(an_error_that_stopped_it_is_taken_away),
        CASE(a_queue_that_never_runs_dry_is_an_error),
        CASE(a_wait_that_a_time_out_drops_is_put_again),
        CASE(but_not_for_ever),
        CASE(so_is_one_that_fetches_and_does_not_complete),
        CASE(a_descriptor_that_is_refused_time_after_time_is_an_error),
        CASE(a_queue_in_memory_that_nobody_kept_is_left_alone),
        CASE(interrupt_remapping_changes_hands_on),
        CASE(it_goes_off_while_eime_changes),
        CASE(where_it_is_not_wanted_it_goes_off),
        CASE(events_of_an_earlier_user_are_masked),
        CASE(page_requests_are_drained_and_off),
        CASE(ats_and_page_requests_that_were_left_on_go_off),
        CASE(page_requests_that_never_stop_are_said),
    };

    host_memory_init(16 * MIB);
    return cmocka_run_group_tests_name("take_over", tests, NULL, NULL);
}
