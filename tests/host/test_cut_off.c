/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens when a unit does not confirm an invalidation: something wider, then the end for its devices.
 */
#include "iommu/domain.h"
#include "iommu/vtd/cut_off.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <string.h>

#define IOVA       0x40000000ull
#define PCI_MASTER 4u
#define DEVICES    3

static struct fake_vtd fakes[2];
static uint64_t dma;      /* 2 MiB that devices may reach */
static uint64_t now_ns;   /* waiting for a unit is what makes time pass */
static uint64_t times_ns; /* when the call under test began */

static const struct pci_address nvme = {0, 0, FAKE_DEVFN_NVME}; /* behind unit 0 */
static const struct pci_address other = {0, 5, 0xf9};           /* these behind unit 1 */
static const struct pci_address third = {0, 5, 0xf8};

/* --- PCI: the command and status registers of three functions --- */

static struct {
    struct pci_address address;
    uint32_t command;
    unsigned writes;
} functions[DEVICES];

static unsigned function_of(struct pci_address address)
{
    unsigned n = 0;

    while (n < DEVICES && !pci_address_equal(functions[n].address, address))
        n++;
    return n;
}

static uint32_t pci_read32(void *context, struct pci_address address, unsigned offset)
{
    unsigned n = function_of(address);

    (void)context;
    return n < DEVICES && offset == 4 ? functions[n].command : ~0u;
}

static void pci_write16(void *context, struct pci_address address, unsigned offset, uint16_t value)
{
    unsigned n = function_of(address);

    (void)context;
    assert_true(n < DEVICES);
    assert_int_equal(offset, 4);
    functions[n].command = value | (functions[n].command & 0xffff0000);
    functions[n].writes++;
}

static bool is_master(struct pci_address address)
{
    return functions[function_of(address)].command & PCI_MASTER;
}

static void make_functions(void)
{
    static const struct host_pci_ops ops = {.read32 = pci_read32, .write16 = pci_write16};
    const struct pci_address addresses[DEVICES] = {nvme, other, third};

    for (unsigned i = 0; i < DEVICES; i++) {
        functions[i].address = addresses[i];
        functions[i].command = 0x08100006;
        functions[i].writes = 0;
    }
    host_set_pci(&ops);
}

/* --- the driver on two units --- */

static void wait_long(void)
{
    now_ns += 5 * NS_PER_MS;
    host_set_time_ns(now_ns);
}

static int start_with(uint64_t ecap)
{
    uint8_t table[256];

    fake_vtd_install(fakes, 2);
    fakes[0].ecap |= ecap;
    make_functions();
    host_log_clear();
    host_set_relax(wait_long);
    host_set_time_ns(++now_ns);
    return iommu_init(table, fake_vtd_dmar(table, 2, "BOCHS "), &(struct iommu_config){0});
}

static int start(void **state)
{
    (void)state;
    return start_with(0);
}

static void revive(void)
{
    for (unsigned i = 0; i < 2; i++) {
        fakes[i].queue_dead = false;
        fakes[i].refuses = NULL;
        fakes[i].gone = false;
    }
}

static int stop(void **state)
{
    (void)state;
    revive();
    host_set_relax(NULL);
    host_set_time_ns(0);
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

/* 16 pages, and both kinds of device in it. */
static struct iommu_domain *create_in_use(void)
{
    struct iommu_domain *domain = create("a");

    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0xffff, dma, PT_READ | PT_WRITE), 0);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    return domain;
}

static int unmap(struct iommu_domain *domain, unsigned page)
{
    return iommu_unmap(domain, IOVA + page * PAGE_SIZE, IOVA + page * PAGE_SIZE + PAGE_SIZE - 1, NULL);
}

static bool reaches(struct pci_address device, unsigned page)
{
    uint64_t hpa;
    const struct fake_vtd *unit = vtd_unit_of(device) == vtd_unit(0) ? &fakes[0] : &fakes[1];

    return fake_vtd_walk(unit, pci_source_id(device), IOVA + page * PAGE_SIZE, &hpa) &&
           hpa == dma + page * PAGE_SIZE;
}

static void leave(struct iommu_domain *domain)
{
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(domain->units, 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static uint64_t quarantined(struct iommu_domain *domain)
{
    struct iommu_domain_info info;

    iommu_domain_info(domain, &info);
    return info.quarantined;
}

static bool is_of_pages(const struct vtd_descriptor *descriptor)
{
    unsigned type = VTD_DESCRIPTOR_TYPE(*descriptor);

    return (type == VTD_DESCRIPTOR_IOTLB || type == VTD_DESCRIPTOR_PASID_IOTLB) &&
           VTD_DESCRIPTOR_GRANULARITY(*descriptor) == 3;
}

static bool is_of_a_domain(const struct vtd_descriptor *descriptor)
{
    return VTD_DESCRIPTOR_TYPE(*descriptor) == VTD_DESCRIPTOR_IOTLB &&
           VTD_DESCRIPTOR_GRANULARITY(*descriptor) == 2;
}

static bool is_of_pages_or_a_domain(const struct vtd_descriptor *descriptor)
{
    return is_of_pages(descriptor) || is_of_a_domain(descriptor);
}

static bool is_any(const struct vtd_descriptor *descriptor)
{
    return VTD_DESCRIPTOR_TYPE(*descriptor) != VTD_DESCRIPTOR_WAIT;
}

static void what_a_unit_refuses_is_completed_by_something_wider(void **state)
{
    struct iommu_domain *domain = create_in_use();

    (void)state;
    fakes[0].refuses = is_of_pages;
    assert_int_equal(unmap(domain, 0), 0);
    assert_int_equal(vtd_unit(0)->widened, 1);
    assert_int_equal(vtd_unit(1)->widened, 0);
    assert_int_equal(vtd_unit(0)->cut_offs, 0);
    assert_true(reaches(nvme, 1));
    assert_true(is_master(nvme));
    assert_false(iommu_device_is_cut_off(nvme));
    leave(domain);
}

static void a_unit_that_drops_everything_after_all_counts_as_confirmed(void **state)
{
    struct iommu_domain *domain = create_in_use();

    (void)state;
    fakes[0].refuses = is_of_pages_or_a_domain;
    assert_int_equal(unmap(domain, 0), 0);
    assert_int_equal(unmap(domain, 1), 0);
    /* Its device is cut off, once; the other unit's is not. */
    assert_int_equal(vtd_unit(0)->cut_offs, 1);
    assert_non_null(strstr(host_log(), "0000:00:03.0 of domain a is cut off"));
    assert_true(iommu_device_is_cut_off(nvme));
    assert_false(reaches(nvme, 2));
    assert_false(is_master(nvme));
    assert_int_equal(functions[0].command, 0x08100002); /* nothing else changed */
    assert_int_equal(functions[0].writes, 1);
    assert_false(iommu_device_is_cut_off(other));
    assert_true(reaches(other, 2));
    assert_true(is_master(other));
    assert_int_equal(quarantined(domain), 0);
    assert_int_equal(domain->units_unconfirmed, 0);
    revive();
    leave(domain);
}

static void a_dead_unit_costs_two_seconds_once_and_its_pages_stay(void **state)
{
    struct iommu_domain *domain = create_in_use();

    (void)state;
    fakes[0].queue_dead = true;
    times_ns = now_ns;
    assert_int_equal(iommu_unmap(domain, IOVA, IOVA + 0xffff, NULL), ERR_TIMEOUT);
    assert_in_range(now_ns - times_ns, NS_PER_S, 2 * NS_PER_S);
    assert_int_equal(quarantined(domain), 3);
    assert_int_equal(domain->units_unconfirmed, 1);
    assert_true(iommu_device_is_cut_off(nvme));
    assert_false(is_master(nvme));
    assert_false(iommu_device_is_cut_off(other));
    /* From now on nobody waits: not a map, an unmap, an attach, a detach, another domain, or who asks to
     * release or to destroy. */
    times_ns = now_ns;
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 0xfff, dma, PT_READ), 0);
    assert_true(reaches(other, 0));
    assert_int_equal(unmap(domain, 0), ERR_TIMEOUT);
    assert_int_equal(iommu_domain_release_quarantine(domain), ERR_TIMEOUT);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), ERR_TIMEOUT);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), ERR_TIMEOUT);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), ERR_TIMEOUT);
    assert_in_range(now_ns - times_ns, 0, 500 * NS_PER_MS);
    assert_int_equal(vtd_unit(0)->cut_offs, 1);
    /* It comes back. */
    revive();
    assert_int_equal(iommu_domain_release_quarantine(domain), 0);
    assert_int_equal(quarantined(domain), 0);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(domain->units, 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

/* It fetches and confirms nothing: each batch is waited for until its deadline, by all units together. */
static void units_that_fetch_and_never_answer_have_four_deadlines_together(void **state)
{
    struct iommu_domain *domain = create_in_use();

    (void)state;
    fakes[0].waits_held = fakes[1].waits_held = true;
    times_ns = now_ns;
    assert_int_equal(unmap(domain, 0), ERR_TIMEOUT);
    assert_in_range(now_ns - times_ns, 3 * NS_PER_S, 3 * NS_PER_S + 200 * NS_PER_MS);
    assert_int_equal(domain->units_unconfirmed, 3);
    assert_true(iommu_device_is_cut_off(nvme) && iommu_device_is_cut_off(other));
    fake_vtd_release(&fakes[0]);
    fake_vtd_release(&fakes[1]);
    assert_int_equal(iommu_domain_release_quarantine(domain), 0);
    leave(domain);
}

static void a_device_that_was_cut_off_is_detached_and_attached_again(void **state)
{
    struct iommu_domain *domain = create_in_use();

    (void)state;
    fakes[0].refuses = is_any;
    assert_int_equal(unmap(domain, 0), ERR_HARDWARE);
    revive();
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), ERR_BUSY);
    assert_int_equal(domain->unit_devices[0], 1);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(domain->unit_devices[0], 0);
    assert_false(iommu_device_is_cut_off(nvme));
    assert_false(reaches(nvme, 1));
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_true(reaches(nvme, 1));
    assert_false(reaches(nvme, 0));
    assert_false(is_master(nvme)); /* its owner's to switch on */
    leave(domain);
}

/* Whoever comes new to the domain would go by what the unit holds of it from before. */
static void an_attach_makes_the_unit_forget_first(void **state)
{
    struct iommu_domain *domain = create_in_use();

    (void)state;
    fakes[1].refuses = is_any;
    assert_int_equal(unmap(domain, 0), ERR_HARDWARE);
    assert_int_equal(iommu_attach(domain, third, IOMMU_NO_PASID), ERR_HARDWARE);
    assert_false(reaches(third, 1));
    assert_int_equal(domain->unit_devices[1], 1);
    assert_int_equal(domain->units_unconfirmed, 2);
    fakes[1].refuses = is_of_pages_or_a_domain;
    assert_int_equal(vtd_cut_off_settle(domain, vtd_unit(1)), 0);
    assert_int_equal(domain->units_unconfirmed, 0);
    revive();
    assert_int_equal(iommu_attach(domain, third, IOMMU_NO_PASID), 0);
    assert_true(reaches(third, 1));
    assert_true(iommu_device_is_cut_off(other));
    assert_int_equal(iommu_detach(domain, third, IOMMU_NO_PASID), 0);
    leave(domain);
}

static void an_attach_beside_a_cut_off_is_blocked_again(void **state)
{
    struct iommu_domain *domain = create_in_use();

    (void)state;
    domain->unit_cutting[1] = 1; /* as if another CPU were at it */
    assert_int_equal(iommu_attach(domain, third, IOMMU_NO_PASID), ERR_HARDWARE);
    assert_non_null(strstr(host_log(), "0000:05:1f.0 stays blocked"));
    assert_false(reaches(third, 1));
    assert_false(iommu_device_is_cut_off(third));
    assert_int_equal(domain->unit_devices[1], 1);
    assert_true(is_master(third));
    domain->unit_cutting[1] = 0;
    assert_int_equal(iommu_attach(domain, third, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, third, IOMMU_NO_PASID), 0);
    leave(domain);
}

static void a_device_is_cut_off_by_all_of_its_pasids(void **state)
{
    struct iommu_domain *one, *two;

    stop(state);
    assert_int_equal(start_with(VTD_ECAP_PASID | 14ull << 35), 0);
    one = create("one");
    two = create("two");
    assert_int_equal(iommu_map(one, IOVA, IOVA + 0xffff, dma, PT_READ), 0);
    assert_int_equal(iommu_attach(one, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(two, nvme, 7), 0);
    assert_int_equal(iommu_attach(two, nvme, 8), 0);
    fakes[0].refuses = is_any;
    assert_int_equal(unmap(one, 0), ERR_HARDWARE);
    assert_int_equal(vtd_unit(0)->cut_offs, 1);
    assert_false(reaches(nvme, 1));
    revive();
    /* Until the last of them has gone nobody comes. */
    assert_int_equal(iommu_attach(one, nvme, 9), ERR_HARDWARE);
    assert_non_null(strstr(host_log(), "it can be in no other domain until"));
    assert_int_equal(iommu_detach(one, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(one, nvme, IOMMU_NO_PASID), ERR_HARDWARE);
    assert_int_equal(iommu_detach(two, nvme, 7), 0);
    assert_true(iommu_device_is_cut_off(nvme));
    assert_int_equal(iommu_detach(two, nvme, 8), 0);
    assert_false(iommu_device_is_cut_off(nvme));
    assert_int_equal(one->unit_devices[0] + two->unit_devices[0], 0);
    assert_int_equal(iommu_attach(one, nvme, IOMMU_NO_PASID), 0);
    assert_true(reaches(nvme, 1));
    assert_int_equal(iommu_detach(one, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(one), 0);
    assert_int_equal(iommu_domain_destroy(two), 0);
}

/* A PASID that leaves unconfirmed takes the device with it; and its entry is known to be gone before the
 * tables are, when the last one leaves. */
static void a_detach_by_one_pasid_that_is_not_confirmed_cuts_the_device_off(void **state)
{
    struct iommu_domain *domain;
    unsigned before;

    stop(state);
    assert_int_equal(start_with(VTD_ECAP_PASID | 14ull << 35), 0);
    domain = create("one");
    assert_int_equal(iommu_attach(domain, nvme, 7), 0);
    assert_int_equal(iommu_attach(domain, nvme, 8), 0);
    fakes[0].refuses = is_any;
    assert_int_equal(iommu_detach(domain, nvme, 7), ERR_HARDWARE);
    assert_int_equal(vtd_unit(0)->cut_offs, 1);
    assert_true(iommu_device_is_cut_off(nvme));
    assert_false(is_master(nvme));
    revive();
    before = fakes[0].logged;
    assert_int_equal(iommu_detach(domain, nvme, 8), 0);
    assert_int_equal(fakes[0].log[before].word[0], vtd_descriptor_context_global().word[0]);
    assert_false(iommu_device_is_cut_off(nvme));
    assert_int_equal(iommu_attach(domain, nvme, 7), 0);
    assert_int_equal(iommu_detach(domain, nvme, 7), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void what_waits_is_released_when_all_units_have_confirmed(void **state)
{
    struct iommu_domain *domain = create_in_use();

    (void)state;
    assert_int_equal(iommu_domain_release_quarantine(domain), 0); /* nothing waits */
    fakes[0].refuses = fakes[1].refuses = is_any;
    assert_int_equal(iommu_unmap(domain, IOVA, IOVA + 0xffff, NULL), ERR_HARDWARE);
    assert_int_equal(quarantined(domain), 3);
    fakes[0].refuses = NULL;
    assert_int_equal(iommu_domain_release_quarantine(domain), ERR_HARDWARE);
    assert_int_equal(quarantined(domain), 3);
    fakes[1].refuses = is_of_pages_or_a_domain;
    assert_int_equal(iommu_domain_release_quarantine(domain), 0);
    assert_int_equal(quarantined(domain), 0);
    assert_int_equal(domain->tables_freed, 3);
    revive();
    leave(domain);
}

static void a_harvest_that_is_not_confirmed_cuts_off_too(void **state)
{
    struct iommu_domain *domain = create_in_use();
    struct dirty_bitmap bitmap = {&(uint64_t){0}, IOVA, IOVA + 0xffff};

    (void)state;
    assert_int_equal(iommu_domain_track(domain, &(struct iommu_track){.how = IOMMU_TRACKING_DIRTY_BITS}), 0);
    assert_true(tree_access(&tree_through_cache, &domain->pt, IOVA, true, &(uint64_t){0}));
    fakes[0].refuses = is_any;
    assert_int_equal(iommu_harvest(domain, IOVA, IOVA + 0xffff, &bitmap, 0, NULL), ERR_HARDWARE);
    assert_true(iommu_device_is_cut_off(nvme));
    assert_false(iommu_device_is_cut_off(other));
    revive();
    leave(domain);
}

/* A function that is not there any more has no command register. */
static void a_device_that_is_gone_is_cut_off_in_the_tables(void **state)
{
    struct iommu_domain *domain = create_in_use();

    (void)state;
    functions[0].command = ~0u;
    fakes[0].gone = true;
    assert_int_equal(unmap(domain, 0), ERR_TIMEOUT);
    assert_int_equal(functions[0].writes, 0);
    assert_true(iommu_device_is_cut_off(nvme));
    assert_false(iommu_device_is_cut_off((struct pci_address){1, 0, 0}));
    assert_false(iommu_device_is_cut_off((struct pci_address){0, 9, 0}));
    revive();
    leave(domain);
}

int main(void)
{
#define RUNNING(test) cmocka_unit_test_setup_teardown(test, start, stop)
    static const struct CMUnitTest tests[] = {
        RUNNING(what_a_unit_refuses_is_completed_by_something_wider),
        RUNNING(a_unit_that_drops_everything_after_all_counts_as_confirmed),
        RUNNING(a_dead_unit_costs_two_seconds_once_and_its_pages_stay),
        RUNNING(units_that_fetch_and_never_answer_have_four_deadlines_together),
        RUNNING(a_device_that_was_cut_off_is_detached_and_attached_again),
        RUNNING(an_attach_makes_the_unit_forget_first),
        RUNNING(an_attach_beside_a_cut_off_is_blocked_again),
        RUNNING(a_device_is_cut_off_by_all_of_its_pasids),
        RUNNING(a_detach_by_one_pasid_that_is_not_confirmed_cuts_the_device_off),
        RUNNING(what_waits_is_released_when_all_units_have_confirmed),
        RUNNING(a_harvest_that_is_not_confirmed_cuts_off_too),
        RUNNING(a_device_that_is_gone_is_cut_off_in_the_tables),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    dma = virt_to_phys(pages_alloc(9, PAGE_DMA));
    return cmocka_run_group_tests_name("cut_off", tests, NULL, NULL);
}
