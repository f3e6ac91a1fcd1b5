/* SPDX-License-Identifier: BSD-2-Clause */
/* What follows from faults: handlers of domains, whom they are called for and until when; and that devices
 * which fault all the time are muted. */
#include "iommu/fault_devices.h"
#include "iommu/iommu.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/fault_mute.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <pthread.h>
#include <sched.h>
#include <string.h>

static struct fake_vtd fake;
static struct iommu_domain *domain, *other;
static const struct pci_address device = {0, 0, 0x20};
static struct iommu_fault seen;
static unsigned calls, other_calls;
static void (*in_handler)(void);
static uint64_t second = 100;
static uint64_t dma;

static void handle(void *context, const struct iommu_fault *fault)
{
    seen = *fault;
    ++*(unsigned *)context;
    if (in_handler)
        in_handler();
}

static int setup(void **state)
{
    uint8_t table[256];
    int error;

    (void)state;
    fake_vtd_install(&fake, 1);
    fake.ecap |= VTD_ECAP_PASID | 19ull << 35; /* 20 bits */
    assert_int_equal(iommu_init(table, fake_vtd_dmar(table, 1, "BOCHS "), &(struct iommu_config){0}), 0);
    domain = iommu_domain_create("guest", &error);
    assert_int_equal(error, 0);
    other = iommu_domain_create("other", &error);
    assert_int_equal(error, 0);
    assert_int_equal(iommu_attach(domain, device, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_set_fault_handler(domain, handle, &calls), 0);
    assert_int_equal(iommu_domain_set_fault_handler(other, handle, &other_calls), 0);
    calls = other_calls = 0;
    /* Each test has its share of faults. */
    host_set_time_ns(second * NS_PER_S);
    second += 10;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    in_handler = NULL;
    host_set_time_ns(0);
    (void)!iommu_detach(domain, device, IOMMU_NO_PASID);
    (void)!iommu_detach(other, device, IOMMU_NO_PASID);
    assert_int_equal(iommu_domain_destroy(domain), 0);
    assert_int_equal(iommu_domain_destroy(other), 0);
    iommu_shutdown();
    rcu_barrier();
    return fake.broken_rules != 0;
}

static void fault(uint64_t iova)
{
    fake_vtd_fault(&fake, 0, iova, pci_source_id(device) | 0x71ull << 32);
    host_raise_msi();
}

static void a_handler_is_called_by_an_event_and_not_in_the_interrupt(void **state)
{
    (void)state;
    fault(0x7000);
    assert_int_equal(calls, 0);
    host_run_events();
    assert_int_equal(calls, 1);
    assert_int_equal(other_calls, 0);
    assert_int_equal(seen.iova, 0x7000);
    assert_string_equal(seen.domain, "guest");
    assert_true(seen.write);
}

static void without_a_handler_nothing_is_called(void **state)
{
    (void)state;
    assert_int_equal(iommu_domain_set_fault_handler(domain, NULL, NULL), 0);
    fault(0x7000);
    host_run_events();
    assert_int_equal(calls + other_calls, 0);
}

static void a_handler_gets_a_devices_share_and_how_many_were_skipped(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * FAULT_DEVICE_SHARE; i++) {
        fault(0x1000 * i);
        host_set_time_ns(platform_time_ns() + NS_PER_MS);
    }
    host_run_events();
    assert_int_equal(calls, FAULT_DEVICE_SHARE);
    host_set_time_ns(platform_time_ns() + NS_PER_S);
    fault(0x9000);
    host_run_events();
    assert_int_equal(seen.skipped, 2 * FAULT_DEVICE_SHARE);
}

static void a_device_that_is_detached_has_no_handler(void **state)
{
    (void)state;
    fault(0x7000);
    assert_int_equal(iommu_detach(domain, device, IOMMU_NO_PASID), 0);
    host_run_events();
    assert_int_equal(calls, 0);
}

static void a_devices_new_domain_is_not_told_of_what_it_did_in_the_last_one(void **state)
{
    (void)state;
    fault(0x7000);
    assert_int_equal(iommu_detach(domain, device, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(other, device, IOMMU_NO_PASID), 0);
    host_run_events();
    assert_int_equal(calls + other_calls, 0);
    fault(0x8000);
    host_run_events();
    assert_int_equal(other_calls, 1);
    assert_string_equal(seen.domain, "other");
}

static int own_results[3];

static void use_own_domain(void)
{
    own_results[0] = iommu_domain_set_fault_handler(domain, NULL, NULL);
    own_results[1] = iommu_domain_set_fault_handler(other, NULL, NULL);
    own_results[2] = iommu_detach(domain, device, IOMMU_NO_PASID);
    (void)!iommu_domain_destroy(domain);
}

static void a_handler_may_detach_but_not_take_itself_away(void **state)
{
    (void)state;
    in_handler = use_own_domain;
    fault(0x7000);
    host_run_events();
    assert_int_equal(own_results[0], ERR_BUSY);
    assert_int_equal(own_results[1], 0);
    assert_int_equal(own_results[2], 0);
    /* Nor destroy its domain. */
    assert_ptr_equal(iommu_domain_find("guest"), domain);
    assert_int_equal(iommu_domain_destroy(domain), 0);
    domain = iommu_domain_create("guest", own_results);
    assert_non_null(domain);
}

static unsigned nested;

static void run_events_inside(void)
{
    in_handler = NULL;
    fault(0x8000);
    nested = host_run_events();
}

static void events_run_by_a_handler_report_nothing_inside_it(void **state)
{
    (void)state;
    in_handler = run_events_inside;
    fault(0x7000);
    host_run_events();
    assert_int_equal(nested, 1);
    assert_int_equal(calls, 2);
    assert_int_equal(seen.iova, 0x8000);
}

static void a_fault_with_a_pasid_is_its_domains(void **state)
{
    (void)state;
    assert_int_equal(iommu_attach(other, device, 5), 0);
    fake_vtd_fault(&fake, 0, 0x7000, pci_source_id(device) | 0x71ull << 32 | VTD_FRCD_PP | 5ull << 40);
    host_raise_msi();
    host_run_events();
    assert_int_equal(calls, 0);
    assert_int_equal(other_calls, 1);
    assert_true(seen.has_pasid);
    assert_int_equal(seen.pasid, 5);
    assert_string_equal(seen.domain, "other");
    assert_int_equal(iommu_detach(other, device, 5), 0);
    fault(0x7000);
    host_run_events();
    assert_int_equal(calls, 1);
}

static bool is_muted(void)
{
    return vtd_context_find(vtd_unit(0), device)[0] & VTD_CONTEXT_FPD;
}

static void fault_many_times(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        fault(0x7000);
        host_set_time_ns(platform_time_ns() + NS_PER_MS);
    }
    host_run_events();
}

static void a_device_that_faults_all_the_time_is_muted_for_a_second(void **state)
{
    uint64_t hpa;

    (void)state;
    fault_many_times(FAULT_DEVICE_STORM);
    assert_false(is_muted());
    fault_many_times(1);
    assert_true(is_muted());
    assert_int_equal(vtd_unit(0)->fault_mutes, 1);
    /* It stays in its domain. */
    assert_int_equal(iommu_map(domain, 0x10000, 0x10fff, dma, PT_READ), 0);
    assert_true(fake_vtd_walk(&fake, pci_source_id(device), 0x10000, &hpa));
    assert_int_equal(hpa, dma);
    host_set_time_ns(platform_time_ns() + NS_PER_S);
    host_run_events();
    assert_false(is_muted());
    fault_many_times(1);
    assert_false(is_muted());
}

static void a_blocked_device_is_muted_too(void **state)
{
    static const struct pci_address stranger = {0, 9, 0};
    const uint64_t *entry;
    uint64_t hpa;

    (void)state;
    for (unsigned i = 0; i <= FAULT_DEVICE_STORM; i++) {
        fake_vtd_fault(&fake, 0, 0, pci_source_id(stranger) | 0x39ull << 32);
        host_raise_msi();
        host_set_time_ns(platform_time_ns() + NS_PER_MS);
    }
    host_run_events();
    entry = vtd_context_find(vtd_unit(0), stranger);
    assert_non_null(entry);
    assert_int_equal(entry[0], VTD_CONTEXT_FPD);
    assert_false(fake_vtd_walk(&fake, pci_source_id(stranger), 0, &hpa));
    /* Who attaches it meanwhile attaches it. */
    assert_int_equal(iommu_attach(domain, stranger, IOMMU_NO_PASID), 0);
    assert_int_equal(entry[0] & VTD_CONTEXT_FPD, VTD_CONTEXT_FPD);
    assert_int_equal(iommu_detach(domain, stranger, IOMMU_NO_PASID), 0);
    assert_int_equal(entry[0], VTD_CONTEXT_FPD);
    host_set_time_ns(platform_time_ns() + NS_PER_S);
    host_run_events();
    assert_int_equal(entry[0], 0);
}

static const struct pci_address also_loud = {0, 9, 0x08};
static bool raised;

/* While one device is being muted another one becomes as loud: its muting is asked for in the middle. */
static void raise_second_storm(const struct vtd_descriptor *descriptor)
{
    (void)descriptor;
    if (raised)
        return;
    raised = true;
    vtd_fault_mute(vtd_unit(0), also_loud);
}

static void a_device_that_becomes_loud_while_another_is_muted_is_not_muted_for_ever(void **state)
{
    (void)state;
    raised = false;
    for (unsigned i = 0; i <= FAULT_DEVICE_STORM; i++) {
        fault(0x7000);
        host_set_time_ns(platform_time_ns() + NS_PER_MS);
    }
    fake.on_done = raise_second_storm;
    host_run_events();
    fake.on_done = NULL;
    assert_true(raised);
    assert_true(is_muted());
    assert_int_equal(vtd_unit(0)->fault_mutes, 2);
    host_set_time_ns(platform_time_ns() + 2 * NS_PER_S);
    host_run_events();
    assert_false(vtd_fault_any_muted());
    assert_false(is_muted());
}

static void a_unit_that_is_gone_has_no_faults(void **state)
{
    uint64_t before = iommu_fault_count();

    (void)state;
    fake.gone = true;
    for (unsigned i = 0; i < 10; i++) {
        host_raise_msi();
        host_set_time_ns(platform_time_ns() + 20 * NS_PER_MS);
        host_run_events();
    }
    assert_int_equal(iommu_fault_count(), before);
    assert_false(vtd_unit(0)->fault_masked);
    fake.gone = false;
    fault(0x7000);
    assert_int_equal(iommu_fault_count(), before + 1);
}

/* --- on two threads --- */

static bool entered, released;

static void hold(void)
{
    __atomic_store_n(&entered, true, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&released, __ATOMIC_SEQ_CST))
        sched_yield();
}

static void *run_events(void *unused)
{
    host_set_cpu(1);
    rcu_cpu_online();
    host_run_events();
    rcu_cpu_offline();
    return unused;
}

static void start_held_call(pthread_t *thread)
{
    host_set_time_ns(0);
    entered = released = false;
    in_handler = hold;
    fault(0x7000);
    assert_int_equal(pthread_create(thread, NULL, run_events, NULL), 0);
    while (!__atomic_load_n(&entered, __ATOMIC_SEQ_CST))
        sched_yield();
}

static void *release_late(void *unused)
{
    /* Long enough for the other one to wait, and on a busy host well within its second. */
    for (unsigned i = 0; i < 20; i++)
        sched_yield();
    __atomic_store_n(&released, true, __ATOMIC_SEQ_CST);
    return unused;
}

static void who_takes_a_handler_away_waits_for_its_call(void **state)
{
    pthread_t caller, releaser;

    (void)state;
    start_held_call(&caller);
    assert_int_equal(pthread_create(&releaser, NULL, release_late, NULL), 0);
    assert_int_equal(iommu_domain_set_fault_handler(domain, NULL, NULL), 0);
    assert_true(__atomic_load_n(&released, __ATOMIC_SEQ_CST));
    pthread_join(releaser, NULL);
    pthread_join(caller, NULL);
}

static void a_handler_that_does_not_end_is_not_waited_for_for_ever(void **state)
{
    pthread_t caller;

    (void)state;
    start_held_call(&caller);
    /* The device is gone, and the domain waits for the handler all the same. */
    assert_int_equal(iommu_detach(domain, device, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), ERR_TIMEOUT);
    assert_ptr_equal(iommu_domain_find("guest"), domain);
    __atomic_store_n(&released, true, __ATOMIC_SEQ_CST);
    pthread_join(caller, NULL);
}

int main(void)
{
#define HANDLER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    static const struct CMUnitTest tests[] = {
        HANDLER_TEST(a_handler_is_called_by_an_event_and_not_in_the_interrupt),
        HANDLER_TEST(without_a_handler_nothing_is_called),
        HANDLER_TEST(a_handler_gets_a_devices_share_and_how_many_were_skipped),
        HANDLER_TEST(a_fault_with_a_pasid_is_its_domains),
        HANDLER_TEST(a_device_that_is_detached_has_no_handler),
        HANDLER_TEST(a_devices_new_domain_is_not_told_of_what_it_did_in_the_last_one),
        HANDLER_TEST(a_handler_may_detach_but_not_take_itself_away),
        HANDLER_TEST(events_run_by_a_handler_report_nothing_inside_it),
        HANDLER_TEST(a_device_that_faults_all_the_time_is_muted_for_a_second),
        HANDLER_TEST(a_blocked_device_is_muted_too),
        HANDLER_TEST(a_device_that_becomes_loud_while_another_is_muted_is_not_muted_for_ever),
        HANDLER_TEST(a_unit_that_is_gone_has_no_faults),
        HANDLER_TEST(who_takes_a_handler_away_waits_for_its_call),
        HANDLER_TEST(a_handler_that_does_not_end_is_not_waited_for_for_ever),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    dma = virt_to_phys(pages_alloc(0, PAGE_DMA));
    return cmocka_run_group_tests_name("fault handler", tests, NULL, NULL);
}
