/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that RMRRs demand for devices: who gets it, from when on, and which demands are refused. */
#include "iommu/iommu.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/fake_pci.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define RMRR       0x7e000000ull /* where firmware keeps memory */
#define RMRR_LAST  (RMRR + MIB - 1)
#define FOUND_ROOT 0x7f000000ull
#define ENDPOINT   1
#define BRIDGE     2
#define SOURCE     0x18 /* 0000:00:03.0 */

static const struct pci_address kept = {0, 0, SOURCE};

static struct fake_vtd fakes[2];
static struct fake_function *device; /* which the RMRRs name, and which masters the bus */
static uint8_t table[512];
static size_t bytes;
static unsigned times_stopped;

static void count_stops(struct fake_function *function, unsigned offset, unsigned width)
{
    (void)width;
    times_stopped += offset == PCI_COMMAND && !(function->space[PCI_COMMAND] & PCI_COMMAND_MASTER);
}

static int install(void **state)
{
    static const uint16_t segments[] = {0};

    (void)state;
    fake_vtd_install(fakes, 2);
    fake_pci_install();
    device = fake_pci_add(0, 3, 0, 0x2934);
    device->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    device->written = count_stops;
    times_stopped = 0;
    bytes = fake_vtd_dmar(table, 1, "BOCHS ");
    host_set_reserved(RMRR, RMRR_LAST);
    host_set_time_ns(1);
    host_log_clear();
    return pci_scan(segments, 1);
}

static int stop(void **state)
{
    (void)state;
    iommu_shutdown();
    host_set_reserved(1, 0);
    return fakes[0].broken_rules + fakes[1].broken_rules != 0;
}

static void demand(uint64_t hpa, uint64_t last)
{
    bytes = fake_vtd_add_reserved(table, bytes, hpa, last, ENDPOINT, 3);
}

static int start(void)
{
    return iommu_init(table, bytes, &(struct iommu_config){0});
}

static bool reaches(uint16_t source_id, uint64_t hpa)
{
    uint64_t end;

    return fake_vtd_walk(fakes, source_id, hpa, &end) && end == hpa;
}

static void assert_said(const char *text)
{
    if (!strstr(host_log(), text))
        fail_msg("not in the log: %s\n%s", text, host_log());
}

static bool masters_bus(void)
{
    return device->space[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

static int attach_elsewhere(void)
{
    int error;
    struct iommu_domain *domain = iommu_domain_create("guest", &error);

    assert_non_null(domain);
    error = iommu_attach(domain, kept, IOMMU_NO_PASID);
    assert_int_equal(iommu_domain_destroy(domain), 0);
    return error;
}

static void its_device_reaches_it_and_nothing_else(void **state)
{
    (void)state;
    demand(RMRR, RMRR_LAST);
    assert_int_equal(start(), 0);
    assert_true(reaches(SOURCE, RMRR));
    assert_true(reaches(SOURCE, RMRR_LAST));
    assert_false(reaches(SOURCE, RMRR - 1));
    assert_false(reaches(SOURCE, RMRR_LAST + 1));
    assert_false(reaches(SOURCE + 1, RMRR));
    assert_true(masters_bus());
    assert_said("RMRR 0x7e000000-0x7e0fffff: 1 devices keep it");
}

static void it_is_in_no_other_domain(void **state)
{
    (void)state;
    demand(RMRR, RMRR_LAST);
    assert_int_equal(start(), 0);
    assert_int_equal(attach_elsewhere(), ERR_BUSY);
    assert_true(reaches(SOURCE, RMRR));
}

/* Before each invalidation: whenever the unit goes by the new root table the device is in it. */
static void look(const struct vtd_descriptor *descriptor)
{
    (void)descriptor;
    if (fakes[0].root == (FOUND_ROOT | VTD_RTADDR_TTM_SCALABLE))
        return;
    assert_true(fakes[0].gsts & VTD_GSTS_TES);
    assert_true(reaches(SOURCE, RMRR));
}

static void where_translation_stays_on_it_is_never_stopped(void **state)
{
    (void)state;
    demand(RMRR, RMRR_LAST);
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT | VTD_RTADDR_TTM_SCALABLE);
    fakes[0].on_done = look;
    assert_int_equal(start(), 0);
    assert_int_equal(times_stopped, 0);
    assert_true(reaches(SOURCE, RMRR));
    fakes[0].on_done = NULL;
}

static void elsewhere_it_is_stopped_and_goes_on(void **state)
{
    (void)state;
    demand(RMRR, RMRR_LAST);
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT);
    assert_int_equal(start(), 0);
    assert_int_equal(times_stopped, 1);
    assert_true(masters_bus());
}

static void one_that_did_not_master_the_bus_does_not_later(void **state)
{
    (void)state;
    device->space[PCI_COMMAND] = 0;
    demand(RMRR, RMRR_LAST);
    assert_int_equal(start(), 0);
    assert_false(masters_bus());
    assert_true(reaches(SOURCE, RMRR));
}

/* Translated requests go by no table. */
static void one_with_ats_on_is_stopped_for_that(void **state)
{
    (void)state;
    fake_pci_make_express(device, 0);
    fake_pci_put32(device, 0x100, 0x1000fu);
    fake_pci_put32(device, 0x104, 0x80000000u);
    demand(RMRR, RMRR_LAST);
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT | VTD_RTADDR_TTM_SCALABLE);
    assert_int_equal(start(), 0);
    assert_int_equal(times_stopped, 1);
    assert_int_equal(fake_pci_get32(device, 0x104) >> 31, 0);
    assert_true(masters_bus());
}

static void outside_of_reserved_memory_it_is_refused(void **state)
{
    (void)state;
    demand(RMRR, RMRR_LAST + PAGE_SIZE);
    assert_int_equal(start(), 0);
    assert_false(reaches(SOURCE, RMRR));
    assert_false(masters_bus());
    assert_said("does not lie in memory that firmware reserves: refused");
    assert_int_equal(attach_elsewhere(), ERR_UNSUPPORTED);
    assert_said("0000:00:03.0 is in no domain but the firmware's");
}

static void refused_ones_do_not_take_others_with_them(void **state)
{
    (void)state;
    demand(0x1000000, 0x1ffffff);
    demand(RMRR, RMRR + 0xfff);
    assert_int_equal(start(), 0);
    assert_true(reaches(SOURCE, RMRR));
    assert_false(reaches(SOURCE, 0x1000000));
}

static void they_may_overlap(void **state)
{
    (void)state;
    demand(RMRR + 0x2000, RMRR + 0x5fff);
    demand(RMRR, RMRR + 0x3fff);
    demand(RMRR, RMRR + 0x3fff);
    assert_int_equal(start(), 0);
    for (uint64_t page = 0; page < 6; page++)
        assert_true(reaches(SOURCE, RMRR + page * PAGE_SIZE));
    assert_false(reaches(SOURCE, RMRR + 0x6000));
}

static void the_interrupt_window_is_no_memory(void **state)
{
    (void)state;
    host_set_reserved(0xfed00000, 0xfeffffff);
    demand(0xfee00000, 0xfee00fff);
    assert_int_equal(start(), 0);
    assert_said("RMRR 0xfee00000-0xfee00fff cannot be mapped");
    assert_false(masters_bus());
}

static void what_tables_cannot_reach_is_refused(void **state)
{
    (void)state;
    host_set_reserved(1ull << 47, (1ull << 47) + 0xfff);
    demand(1ull << 47, (1ull << 47) + 0xfff);
    assert_int_equal(start(), 0);
    assert_said("RMRR 0x800000000000-0x800000000fff cannot be mapped");
    assert_false(masters_bus());
}

static void a_bridge_stands_for_what_is_behind_it(void **state)
{
    static const uint16_t segments[] = {0};
    struct fake_function *behind;

    (void)state;
    fake_pci_add_bridge(0, 4, 5, 5)->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    behind = fake_pci_add(5, 0, 0, 0x2934);
    behind->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    assert_int_equal(pci_scan(segments, 1), 0);
    bytes = fake_vtd_add_reserved(table, bytes, RMRR, RMRR_LAST, BRIDGE, 4);
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT | VTD_RTADDR_TTM_SCALABLE);
    assert_int_equal(start(), 0);
    assert_true(reaches(0x0500, RMRR));
    assert_false(reaches(SOURCE, RMRR));
    assert_int_equal(behind->space[PCI_COMMAND], PCI_COMMAND_MASTER);
    assert_int_equal(fake_pci_find((struct pci_address){0, 0, 0x20})->space[PCI_COMMAND], PCI_COMMAND_MASTER);
    assert_false(masters_bus());
}

static void one_that_is_not_there_costs_nothing(void **state)
{
    (void)state;
    bytes = fake_vtd_add_reserved(table, bytes, RMRR, RMRR_LAST, ENDPOINT, 9);
    assert_int_equal(start(), 0);
    assert_said("RMRR 0x7e000000-0x7e0fffff: 0 devices keep it");
}

static void what_was_stopped_starts_again(void **state)
{
    (void)state;
    demand(RMRR, RMRR_LAST);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(start(), 0);
        assert_true(reaches(SOURCE, RMRR));
        assert_int_equal(vtd_unit_count(), 1);
        pci_bus_master_off_all(NULL);
        iommu_shutdown();
        assert_false(reaches(SOURCE, RMRR));
        device->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    }
}

/* Its unit was taken over, and goes off again since another one could not be. */
static void when_the_start_fails_it_is_stopped(void **state)
{
    static const uint16_t segments[] = {0};
    struct fake_function *stuck = fake_pci_add(0, 7, 0, 0x5845);

    (void)state;
    stuck->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    stuck->master_is_fixed = true;
    assert_int_equal(pci_scan(segments, 1), 0);
    bytes = fake_vtd_dmar(table, 2, "BOCHS ");
    demand(RMRR, RMRR_LAST);
    fake_vtd_found_translating(&fakes[0], FOUND_ROOT | VTD_RTADDR_TTM_SCALABLE);
    fake_vtd_found_translating(&fakes[1], FOUND_ROOT);
    assert_int_equal(start(), ERR_UNSUPPORTED);
    assert_int_equal(fakes[0].gsts & VTD_GSTS_TES, 0);
    assert_false(masters_bus());
    assert_int_equal(fakes[1].gsts & VTD_GSTS_TES, VTD_GSTS_TES);
}

static uint64_t free_pages(void)
{
    struct page_alloc_stats stats;

    rcu_barrier();
    page_alloc_stats(&stats);
    return stats.free_pages;
}

static void memory_may_run_out_at_every_page(void **state)
{
    uint64_t before;
    int error;

    assert_int_equal(iommu_init("", 0, &(struct iommu_config){0}), ERR_MALFORMED);
    before = free_pages();
    for (unsigned pages = 0;; pages++) {
        stop(state);
        install(state);
        demand(RMRR, RMRR_LAST);
        host_leave_pages(pages);
        error = start();
        host_release_pages();
        if (!error)
            break;
        assert_int_equal(error, ERR_NOMEM);
        assert_int_equal(fakes[0].gsts & VTD_GSTS_TES, 0);
        assert_int_equal(iommu_init("", 0, &(struct iommu_config){0}), ERR_MALFORMED);
        assert_int_equal(free_pages(), before);
        assert_true(pages < 64);
    }
    assert_true(reaches(SOURCE, RMRR));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, install, stop)
    static const struct CMUnitTest tests[] = {
        CASE(its_device_reaches_it_and_nothing_else),
        CASE(it_is_in_no_other_domain),
        CASE(where_translation_stays_on_it_is_never_stopped),
        CASE(elsewhere_it_is_stopped_and_goes_on),
        CASE(one_that_did_not_master_the_bus_does_not_later),
        CASE(one_with_ats_on_is_stopped_for_that),
        CASE(outside_of_reserved_memory_it_is_refused),
        CASE(refused_ones_do_not_take_others_with_them),
        CASE(they_may_overlap),
        CASE(the_interrupt_window_is_no_memory),
        CASE(what_tables_cannot_reach_is_refused),
        CASE(a_bridge_stands_for_what_is_behind_it),
        CASE(one_that_is_not_there_costs_nothing),
        CASE(what_was_stopped_starts_again),
        CASE(when_the_start_fails_it_is_stopped),
        CASE(memory_may_run_out_at_every_page),
    };

    host_memory_init(16 * MIB);
    rcu_cpu_online();
    return cmocka_run_group_tests_name("reserved", tests, NULL, NULL);
}
