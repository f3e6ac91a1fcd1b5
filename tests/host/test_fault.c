/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults: from the recording registers through the interrupt into the ring, and into the log at a bounded
 * rate. */
#include "iommu/fault_ring.h"
#include "iommu/vtd/fault.h"
#include "iommu/vtd/fault_reason.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

static struct fake_vtd fake;
static struct vtd_unit unit;
static const struct dmar_unit drhd = {.registers = FAKE_BASE, .bytes = PAGE_SIZE, .segment = 2};

static int setup(void **state)
{
    (void)state;
    fake_vtd_install(&fake, 1);
    assert_int_equal(vtd_unit_open(&unit, 0, &drhd), 0);
    assert_int_equal(vtd_fault_start(&unit), 0);
    host_log_clear();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return fake.broken_rules != 0;
}

/* The upper half of a record. */
static uint64_t record(uint16_t source_id, uint8_t reason, uint64_t flags)
{
    return source_id | (uint64_t)reason << 32 | flags;
}

static unsigned count_lines(const char *text, const char *part)
{
    unsigned count = 0;

    while ((text = strstr(text, part))) {
        text++;
        count++;
    }
    return count;
}

static void the_interrupt_is_set_up_and_unmasked(void **state)
{
    (void)state;
    assert_int_equal(fake.fectl, 0);
    assert_int_equal(fake.feaddr, 0xfee00000);
    assert_int_equal(fake.fedata, 0x40);
    vtd_fault_stop(&unit);
    assert_int_equal(fake.fectl, VTD_FECTL_IM);
}

static void a_fault_is_decoded(void **state)
{
    struct iommu_fault fault;
    uint64_t before = fault_ring_count();

    (void)state;
    fake_vtd_fault(&fake, 0, 0x12345fff, record(0x0318, 0x71, 0));
    host_raise_msi();
    assert_int_equal(fault_ring_count(), before + 1);
    assert_int_equal(fault_ring_copy(&fault, 1), 1);
    assert_int_equal(fault.device.segment, 2);
    assert_int_equal(fault.device.bus, 3);
    assert_int_equal(fault.device.devfn, 0x18);
    assert_int_equal(fault.iova, 0x12345000);
    assert_int_equal(fault.reason, 0x71);
    assert_true(fault.write);
    assert_false(fault.has_pasid);
    assert_int_equal(fake.frcd[0][1] & VTD_FRCD_F, 0);
    assert_int_equal(fake.fsts & VTD_FSTS_PPF, 0);
    assert_non_null(strstr(host_log(), "0002:03:03.0"));
    assert_non_null(strstr(host_log(), "may not write 0x12345000"));
    assert_non_null(strstr(host_log(), "first-stage entry not present (0x71)"));
}

static void types_and_pasids_are_told_apart(void **state)
{
    struct iommu_fault faults[3];

    (void)state;
    fake_vtd_fault(&fake, 0, 0x1000, record(1, 0x86, VTD_FRCD_T1));
    fake_vtd_fault(&fake, 1, 0x1000, record(1, 0x85, VTD_FRCD_T1 | VTD_FRCD_T2));
    fake_vtd_fault(&fake, 2, 0x1000, record(1, 0x59, VTD_FRCD_PP | 0x54321ull << 40));
    host_raise_msi();
    assert_int_equal(fault_ring_copy(faults, 3), 3);
    assert_false(faults[2].write);
    assert_true(faults[1].write); /* an atomic operation writes */
    assert_true(faults[0].has_pasid);
    assert_int_equal(faults[0].pasid, 0x54321);
}

static void all_registers_are_drained_in_order(void **state)
{
    struct iommu_fault faults[FAKE_FAULTS];
    uint64_t before = fault_ring_count();

    (void)state;
    for (unsigned i = 0; i < FAKE_FAULTS; i++)
        fake_vtd_fault(&fake, (2 + i) % FAKE_FAULTS, 0x1000 * i, record(0x40, 0x71, 0));
    host_raise_msi();
    assert_int_equal(fault_ring_count(), before + FAKE_FAULTS);
    assert_int_equal(fault_ring_copy(faults, FAKE_FAULTS), FAKE_FAULTS);
    for (unsigned i = 0; i < FAKE_FAULTS; i++)
        assert_int_equal(faults[FAKE_FAULTS - 1 - i].iova, 0x1000 * i);
    assert_int_equal(fake.fsts & VTD_FSTS_PPF, 0);
}

static void an_overflow_is_cleared_and_counted(void **state)
{
    (void)state;
    fake_vtd_fault(&fake, 0, 0, record(0x48, 0x71, 0));
    fake.fsts |= VTD_FSTS_PFO;
    host_raise_msi();
    assert_int_equal(unit.fault_overflows, 1);
    assert_int_equal(fake.fsts & (VTD_FSTS_PFO | VTD_FSTS_PPF), 0);
}

static void the_queues_errors_are_left_to_its_waiters(void **state)
{
    (void)state;
    fake.fsts |= VTD_FSTS_IQE | VTD_FSTS_PFO;
    fake_vtd_fault(&fake, 0, 0, record(0x49, 0x71, 0));
    host_raise_msi();
    assert_int_equal(fake.fsts & (VTD_FSTS_IQE | VTD_FSTS_PPF | VTD_FSTS_PFO), VTD_FSTS_IQE);
}

static void the_log_gets_a_few_lines_of_each_device(void **state)
{
    uint64_t before = fault_ring_count();

    (void)state;
    host_set_time_ns(1000 * NS_PER_S);
    for (unsigned i = 0; i < 100; i++) {
        fake_vtd_fault(&fake, 0, 0, record(0x50, 0x71, 0));
        host_raise_msi();
    }
    fake_vtd_fault(&fake, 0, 0, record(0x51, 0x71, 0));
    host_raise_msi();
    assert_int_equal(fault_ring_count(), before + 101);
    assert_int_equal(count_lines(host_log(), "0002:00:0a.0"), 4);
    assert_int_equal(count_lines(host_log(), "only counted"), 1);
    assert_int_equal(count_lines(host_log(), "0002:00:0a.1"), 1);
    host_set_time_ns(1002 * NS_PER_S);
    fake_vtd_fault(&fake, 0, 0, record(0x50, 0x71, 0));
    host_raise_msi();
    assert_int_equal(count_lines(host_log(), "0002:00:0a.0"), 5);
    host_set_time_ns(0);
}

static void the_ring_keeps_the_newest(void **state)
{
    struct iommu_fault faults[FAULT_RING_SIZE + 1];

    (void)state;
    for (unsigned i = 0; i < 2 * FAULT_RING_SIZE; i++) {
        fake_vtd_fault(&fake, i % FAKE_FAULTS, 0x1000ull * i, record(0x58, 0x71, 0));
        host_raise_msi();
    }
    assert_int_equal(fault_ring_copy(faults, FAULT_RING_SIZE + 1), FAULT_RING_SIZE);
    assert_int_equal(faults[0].iova, 0x1000ull * (2 * FAULT_RING_SIZE - 1));
    assert_int_equal(faults[FAULT_RING_SIZE - 1].iova, 0x1000ull * FAULT_RING_SIZE);
}

static void every_code_has_words(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 256; code++)
        assert_true(strlen(vtd_fault_reason((uint8_t)code)) > 10);
    assert_non_null(strstr(vtd_fault_reason(0x02), "context entry not present"));
    assert_non_null(strstr(vtd_fault_reason(0x59), "SPT.2"));
    assert_non_null(
        strstr(vtd_fault_reason(0x75), "SFS.6: the second stage forbids reading the first-stage root"));
    assert_non_null(strstr(vtd_fault_reason(0x7c), "the walk is not coherent"));
    assert_non_null(strstr(vtd_fault_reason(0xff), "does not know"));
}

int main(void)
{
#define FAULT_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    static const struct CMUnitTest tests[] = {
        FAULT_TEST(the_interrupt_is_set_up_and_unmasked),
        FAULT_TEST(a_fault_is_decoded),
        FAULT_TEST(types_and_pasids_are_told_apart),
        FAULT_TEST(all_registers_are_drained_in_order),
        FAULT_TEST(an_overflow_is_cleared_and_counted),
        FAULT_TEST(the_queues_errors_are_left_to_its_waiters),
        FAULT_TEST(the_log_gets_a_few_lines_of_each_device),
        FAULT_TEST(the_ring_keeps_the_newest),
        cmocka_unit_test(every_code_has_words),
    };

    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
