/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults: from the recording registers through the interrupt into the ring, at a bounded rate, and by an
 * event into the log. */
#include "iommu/fault_devices.h"
#include "iommu/fault_ring.h"
#include "iommu/vtd/fault.h"
#include "iommu/vtd/fault_reason.h"
#include "lib/compiler.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_vtd fake;
static struct vtd_unit unit;
static const struct dmar_unit drhd = {.registers = FAKE_BASE, .bytes = PAGE_SIZE, .segment = 2};

static int setup(void **state)
{
    (void)state;
    fake_vtd_install(&fake, 1);
    assert_int_equal(vtd_unit_open(&unit, 0, &drhd, 0), 0);
    assert_int_equal(vtd_fault_start(&unit), 0);
    host_run_events();
    host_log_clear();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vtd_fault_stop(&unit);
    host_set_time_ns(0);
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
    assert_string_equal(host_log(), "");
    assert_int_equal(host_run_events(), 1);
    assert_non_null(strstr(host_log(), "0002:03:03.0 (blocked) may not write 0x12345000"));
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

static void the_queues_errors_are_not_touched_in_the_interrupt(void **state)
{
    (void)state;
    fake.fsts |= VTD_FSTS_IQE | VTD_FSTS_PFO;
    fake_vtd_fault(&fake, 0, 0, record(0x49, 0x71, 0));
    host_raise_msi();
    assert_int_equal(fake.fsts & (VTD_FSTS_IQE | VTD_FSTS_PPF | VTD_FSTS_PFO), VTD_FSTS_IQE);
}

/* n faults of a device, each with an interrupt. */
static void fault_often(unsigned n, uint16_t source_id)
{
    for (unsigned i = 0; i < n; i++) {
        fake_vtd_fault(&fake, 0, 0x1000ull * i, record(source_id, 0x71, VTD_FRCD_T1));
        host_raise_msi();
        /* Not so fast that it is a storm. */
        host_set_time_ns(platform_time_ns() + NS_PER_MS);
    }
}

/* The counts of a device, or of all others (NULL). */
static struct iommu_fault_device device_of(const uint16_t *source_id)
{
    struct iommu_fault_device device;

    for (unsigned n = 0; iommu_fault_device(n, &device); n++)
        if (source_id ? !device.others && pci_source_id(device.device) == *source_id : device.others)
            return device;
    fail_msg("no such device");
    return device;
}

static void a_device_has_its_share_of_each_second(void **state)
{
    const uint16_t loud = 0x50, calm = 0x51;
    struct iommu_fault faults[3];
    uint64_t before = fault_ring_count();

    (void)state;
    host_set_time_ns(1000 * NS_PER_S);
    fault_often(100, loud);
    fault_often(1, calm);
    host_run_events();
    assert_int_equal(fault_ring_count(), before + 101);
    assert_int_equal(count_lines(host_log(), "0002:00:0a.0"), FAULT_DEVICE_SHARE);
    assert_int_equal(count_lines(host_log(), "in this second are only counted"), 1);
    assert_int_equal(count_lines(host_log(), "0002:00:0a.1"), 1);
    assert_int_equal(fault_ring_copy(faults, 3), 3);
    assert_int_equal(pci_source_id(faults[0].device), calm);
    assert_int_equal(faults[1].iova, 0x1000 * (FAULT_DEVICE_SHARE - 1));
    assert_true(faults[1].limited);
    assert_false(faults[2].limited);

    host_set_time_ns(1002 * NS_PER_S);
    fault_often(1, loud);
    host_run_events();
    assert_int_equal(fault_ring_copy(faults, 1), 1);
    assert_int_equal(faults[0].skipped, 100 - FAULT_DEVICE_SHARE);
    assert_non_null(strstr(host_log(), "; 84 before it were only counted"));
    assert_int_equal(device_of(&loud).faults, 101);
    assert_int_equal(device_of(&loud).reads, 101);
    assert_int_equal(device_of(&loud).skipped, 84);
    assert_int_equal(device_of(&loud).newest.reason, 0x71);
    assert_int_equal(device_of(&calm).faults, 1);
}

/* Another CPU's clock may lag behind: no new second begins for it. */
static void time_that_goes_back_gives_no_new_share(void **state)
{
    struct iommu_fault fault = {.device = {7, 1, 1}, .time_ns = 5000 * NS_PER_S};
    unsigned recorded = 0;
    bool storm;

    (void)state;
    for (unsigned i = 0; i < 3 * FAULT_DEVICE_SHARE; i++) {
        recorded += fault_devices_count(&fault, &storm);
        fault.time_ns -= NS_PER_US;
    }
    assert_int_equal(recorded, FAULT_DEVICE_SHARE);
}

static void kinds_are_counted_apart(void **state)
{
    const uint16_t id = 0x52;

    (void)state;
    fake_vtd_fault(&fake, 0, 0, record(id, 0x71, VTD_FRCD_T1));
    fake_vtd_fault(&fake, 1, 0, record(id, 0x71, 0));
    fake_vtd_fault(&fake, 2, 0, record(id, 0x71, VTD_FRCD_T1 | VTD_FRCD_T2));
    fake_vtd_fault(&fake, 3, 0x1234ull << 48, record(id, 0x26, 0));
    host_raise_msi();
    assert_int_equal(device_of(&id).faults, 4);
    assert_int_equal(device_of(&id).reads, 1);
    assert_int_equal(device_of(&id).writes, 2);
    assert_int_equal(device_of(&id).interrupts, 1);
    assert_int_equal(device_of(&id).newest.request, IOMMU_REQUEST_INTERRUPT);
    assert_int_equal(device_of(&id).newest.interrupt_index, 0x1234);
    assert_int_equal(device_of(&id).newest.iova, 0);
    host_run_events();
    assert_non_null(strstr(host_log(), "may not raise interrupt 4660: interrupt: the requester may not"));
}

static void execute_and_privileged_are_told(void **state)
{
    struct iommu_fault faults[2];
    uint64_t flags = VTD_FRCD_T1 | VTD_FRCD_EXE | VTD_FRCD_PRIV;

    (void)state;
    fake_vtd_fault(&fake, 0, 0x5000, record(0x53, 0x82, flags));
    fake_vtd_fault(&fake, 1, 0x5000, record(0x53, 0x82, flags | VTD_FRCD_PP | 5ull << 40));
    host_raise_msi();
    assert_int_equal(fault_ring_copy(faults, 2), 2);
    assert_false(faults[1].execute || faults[1].privileged); /* known only with a PASID */
    assert_true(faults[0].execute && faults[0].privileged);
    host_run_events();
    assert_non_null(strstr(host_log(), "PASID 0x5 privileged may not execute 0x5000"));
}

/* Reads of FSTS at which a device has faulted once more. */
static unsigned storm_left;

static uint32_t storm_read32(void *context, uint64_t hpa)
{
    const struct host_mmio_ops *fakes = context;

    if (hpa == FAKE_BASE + VTD_FSTS.offset && storm_left && !(fake.fsts & VTD_FSTS_PPF)) {
        storm_left--;
        fake_vtd_fault(&fake, 0, 0x1000, record(0x54, 0x71, 0));
    }
    return fakes->read32(fakes->context, hpa);
}

static struct host_mmio_ops fake_ops;

static uint64_t pass_read64(void *context, uint64_t hpa)
{
    (void)context;
    return fake_ops.read64(fake_ops.context, hpa);
}

static void pass_write32(void *context, uint64_t hpa, uint32_t value)
{
    (void)context;
    fake_ops.write32(fake_ops.context, hpa, value);
}

static void pass_write64(void *context, uint64_t hpa, uint64_t value)
{
    (void)context;
    fake_ops.write64(fake_ops.context, hpa, value);
}

/* The unit's device faults again as often as the registers have been read empty. */
static void begin_storm(unsigned faults)
{
    host_get_mmio(&fake_ops);
    host_set_mmio(&(struct host_mmio_ops){storm_read32, pass_read64, pass_write32, pass_write64, &fake_ops});
    storm_left = faults;
}

static void a_storm_is_read_bit_by_bit_with_the_interrupt_masked(void **state)
{
    uint64_t before = fault_ring_count(), read;

    (void)state;
    host_set_time_ns(2000 * NS_PER_S);
    begin_storm(1000);
    host_raise_msi();
    read = fault_ring_count() - before;
    assert_in_range(read, 1, 200);
    assert_int_equal(fake.fectl, VTD_FECTL_IM);
    assert_int_equal(unit.fault_storms, 1);
    /* Who asks meanwhile does not get more of it. */
    vtd_fault_drain(&unit);
    assert_int_equal(fault_ring_count() - before, read);
    for (unsigned i = 1; storm_left; i++) {
        assert_in_range(i, 1, 100);
        host_set_time_ns(platform_time_ns() + 10 * NS_PER_MS);
        host_run_events();
        assert_in_range(fault_ring_count() - before, read * i, read * (i + 1));
    }
    host_set_time_ns(platform_time_ns() + 10 * NS_PER_MS);
    host_run_events();
    assert_int_equal(fake.fectl, 0);
    assert_int_equal(fake.fsts & VTD_FSTS_PPF, 0);
    assert_int_equal(fault_ring_count() - before, 1000);
    assert_int_equal(unit.fault_storms, 1);
    assert_int_equal(count_lines(host_log(), "a storm of faults"), 1);
    host_set_mmio(&fake_ops);
}

static void a_unit_that_stops_in_a_storm_is_left_alone(void **state)
{
    uint64_t before;

    (void)state;
    host_set_time_ns(3000 * NS_PER_S);
    begin_storm(1000);
    host_raise_msi();
    vtd_fault_stop(&unit);
    before = fault_ring_count();
    host_set_time_ns(platform_time_ns() + NS_PER_S);
    host_run_events();
    assert_int_equal(fault_ring_count(), before);
    assert_int_equal(fake.fectl, VTD_FECTL_IM);
    host_set_mmio(&fake_ops);
}

static void overflows_are_reported_once_a_burst(void **state)
{
    (void)state;
    host_set_time_ns(4000 * NS_PER_S);
    for (unsigned i = 0; i < 20; i++) {
        fake.fsts |= VTD_FSTS_PFO;
        host_raise_msi();
        host_set_time_ns(platform_time_ns() + 100 * NS_PER_MS);
    }
    assert_int_equal(unit.fault_overflows, 20);
    assert_int_equal(unit.fault_overflow_bursts, 1);
    assert_int_equal(count_lines(host_log(), "some are lost"), 1);
    host_set_time_ns(platform_time_ns() + NS_PER_S);
    fake.fsts |= VTD_FSTS_PFO;
    host_raise_msi();
    assert_int_equal(unit.fault_overflow_bursts, 2);
    assert_int_equal(count_lines(host_log(), "some are lost"), 2);
}

/* From here on the table of devices is full. */
static void devices_beyond_the_table_are_counted_together(void **state)
{
    struct iommu_fault_device device;
    struct iommu_fault fault = {.time_ns = 6000 * NS_PER_S};
    unsigned recorded = 0, listed = 0;
    const uint16_t known = 0x50;
    bool storm;
    uint64_t before = device_of(&known).faults;

    (void)state;
    for (unsigned i = 0; i < 4 * FAULT_DEVICES_MAX; i++) {
        fault.device = pci_address_from_source_id(9, (uint16_t)i);
        recorded += fault_devices_count(&fault, &storm);
        assert_false(storm);
    }
    while (iommu_fault_device(listed, &device))
        listed++;
    assert_int_equal(listed, FAULT_DEVICES_MAX + 1);
    /* Those that have an entry each one; all others one share. */
    assert_in_range(recorded, FAULT_DEVICE_SHARE, FAULT_DEVICES_MAX + FAULT_DEVICE_SHARE);
    assert_true(device_of(NULL).faults >= 3 * FAULT_DEVICES_MAX);
    fault.device = pci_address_from_source_id(2, known);
    assert_true(fault_devices_count(&fault, &storm));
    assert_int_equal(device_of(&known).faults, before + 1);
}

static void the_ring_keeps_the_newest(void **state)
{
    struct iommu_fault faults[FAULT_RING_SIZE + 1];

    (void)state;
    host_set_time_ns(7000 * NS_PER_S);
    for (unsigned i = 0; i < 2 * FAULT_RING_SIZE; i++) {
        fake_vtd_fault(&fake, i % FAKE_FAULTS, 0x1000ull * i, record((uint16_t)(0x100 + i / 8), 0x71, 0));
        host_raise_msi();
        host_set_time_ns(platform_time_ns() + NS_PER_MS);
    }
    assert_int_equal(fault_ring_copy(faults, FAULT_RING_SIZE + 1), FAULT_RING_SIZE);
    assert_int_equal(faults[0].iova, 0x1000ull * (2 * FAULT_RING_SIZE - 1));
    assert_int_equal(faults[FAULT_RING_SIZE - 1].iova, 0x1000ull * FAULT_RING_SIZE);
}

/* Many devices together get no more than 32 lines a second, and what had none is said. */
static void all_devices_together_leave_the_console_usable(void **state)
{
    (void)state;
    host_set_time_ns(8000 * NS_PER_S);
    for (unsigned i = 0; i < 48; i++) {
        fake_vtd_fault(&fake, 0, 0, record((uint16_t)(0x100 + i / 8), 0x71, 0));
        host_raise_msi();
        host_set_time_ns(platform_time_ns() + NS_PER_MS);
    }
    host_run_events();
    assert_int_equal(count_lines(host_log(), "may not"), 32);
    host_set_time_ns(platform_time_ns() + NS_PER_S);
    fake_vtd_fault(&fake, 0, 0, record(0x100, 0x71, 0));
    host_raise_msi();
    host_run_events();
    assert_non_null(strstr(host_log(), "16 faults had no line of their own"));
}

/* Names by the specification's tables 15 and 30 (revision 5.1) and by older ones. */
static void every_code_of_the_specification_is_known(void **state)
{
    static const struct {
        uint8_t first, last;
        const char *name; /* of the first; the number in it goes up with the code */
    } ranges[] = {
        {0x20, 0x2b, ""},      {0x30, 0x34, "RTA.1"}, {0x38, 0x3a, "SRT.1"},  {0x40, 0x49, "SCT.1"},
        {0x50, 0x52, "SPD.1"}, {0x58, 0x5d, "SPT.1"}, {0x60, 0x60, "SPT.9"},  {0x70, 0x77, "SFS.1"},
        {0x78, 0x7d, "SSS.1"}, {0x80, 0x87, "SGN.1"}, {0x89, 0x89, "SGN.10"}, {0x90, 0x91, "SFS.9"},
        {0xa0, 0xa5, "HPT.1"},
    };
    static const char *const legacy[] = {
        "",      "LRT.2", "LCT.2", "LCT.4", "LGN.1", "LGN.2", "LGN.3", "LSS.1",
        "LRT.1", "LCT.1", "LRT.3", "LCT.3", "LSS.2", "LCT.5", "LGN.4",
    };
    unsigned known = 0, expected = ARRAY_SIZE(legacy) - 1;
    char name[16];

    (void)state;
    for (uint8_t code = 1; code < ARRAY_SIZE(legacy); code++)
        assert_string_equal(vtd_fault_reason_find(code)->name, legacy[code]);
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
        for (unsigned code = ranges[i].first; code <= ranges[i].last; code++, expected++) {
            const struct vtd_fault_reason *reason = vtd_fault_reason_find((uint8_t)code);

            assert_non_null(reason);
            assert_int_equal(reason->code, code);
            assert_string_equal(reason->section, code < 0x30 ? "5.1.4.1" : "7.1.3");
            assert_int_equal(vtd_fault_is_interrupt((uint8_t)code), code < 0x30);
            snprintf(name, sizeof name, "%.4s%u", ranges[i].name,
                     (unsigned)atoi(ranges[i].name + (*ranges[i].name ? 4 : 0)) + code - ranges[i].first);
            assert_string_equal(reason->name, *ranges[i].name ? name : "");
        }
    for (unsigned code = 0; code < 256; code++)
        known += vtd_fault_reason_find((uint8_t)code) != NULL;
    assert_int_equal(known, expected);
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
        FAULT_TEST(the_queues_errors_are_not_touched_in_the_interrupt),
        FAULT_TEST(a_device_has_its_share_of_each_second),
        cmocka_unit_test(time_that_goes_back_gives_no_new_share),
        FAULT_TEST(kinds_are_counted_apart),
        FAULT_TEST(execute_and_privileged_are_told),
        FAULT_TEST(a_storm_is_read_bit_by_bit_with_the_interrupt_masked),
        FAULT_TEST(a_unit_that_stops_in_a_storm_is_left_alone),
        FAULT_TEST(overflows_are_reported_once_a_burst),
        FAULT_TEST(the_ring_keeps_the_newest),
        FAULT_TEST(all_devices_together_leave_the_console_usable),
        cmocka_unit_test(devices_beyond_the_table_are_counted_together),
        cmocka_unit_test(every_code_of_the_specification_is_known),
        cmocka_unit_test(every_code_has_words),
    };

    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
