/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI on a made-up machine: what is found, BARs, capabilities, and bus mastering through bridges. */
#include "arch/cpu/paging.h"
#include "arch/platform/memory_map.h"
#include "arch/platform/pci.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/units.h"
#include "tests/host/fake_pci.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

/* It belongs to arch/, which is not in the library that tests link with. */
#include "arch/platform/pci_bar.c"

#define MULTIFUNCTION       0x80
#define EXPRESS_CONTROL_2   0x28
#define EXPRESS_ARI_FORWARD (1u << 5)
#define PENDING_FOR         3u /* reads of the device status that still show transactions */
#define MEMORY_START        0x40000000ull
#define MEMORY_END          0x80000000ull

static unsigned decoding_while_sized;

static void note_sizing(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    (void)bytes;
    if (offset >= PCI_BAR && offset < PCI_BAR + 24)
        decoding_while_sized += fake->space[PCI_COMMAND] & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}

volatile void *paging_map_mmio(uint64_t hpa, size_t bytes)
{
    (void)bytes;
    return (volatile void *)(uintptr_t)hpa;
}

bool memory_map_is_memory(uint64_t hpa, uint64_t bytes)
{
    return hpa < MEMORY_END && hpa + bytes > MEMORY_START;
}

static int begin(void **state)
{
    (void)state;
    fake_pci_install();
    decoding_while_sized = 0;
    host_log_clear();
    return 0;
}

static void scan(unsigned expected)
{
    unsigned count = 0;

    assert_int_equal(pci_scan((const uint16_t[]){0}, 1), 0);
    while (pci_function(count))
        count++;
    assert_int_equal(count, expected);
}

static void further_functions_are_found_where_the_first_says_so(void **state)
{
    (void)state;
    fake_pci_add(0, 1, 0, 1)->space[PCI_HEADER_TYPE] = MULTIFUNCTION;
    fake_pci_add(0, 1, 5, 2);
    fake_pci_add(0, 2, 0, 3);
    fake_pci_add(0, 2, 1, 4); /* a ghost: function 0 says that it is alone */
    fake_pci_add(0, 3, 2, 5); /* no function 0: not there */
    scan(3);
    assert_non_null(pci_find_id(0x8086, 2, 0));
    assert_null(pci_find_id(0x8086, 4, 0));
}

static void buses_without_a_bridge_are_found(void **state)
{
    (void)state;
    fake_pci_add(0, 0, 0, 1);
    fake_pci_add(128, 0, 0, 2);
    scan(2);
    assert_int_equal(pci_find_id(0x8086, 2, 0)->address.bus, 128);
    assert_null(pci_bridge_above(pci_find_id(0x8086, 2, 0)->address));
}

static void one_device_is_looked_for_behind_an_express_port(void **state)
{
    (void)state;
    fake_pci_make_express(fake_pci_add_bridge(0, 1, 5, 5), 4);
    fake_pci_add(5, 0, 0, 7)->any_device = true;
    scan(2);
}

static void all_devices_are_looked_for_behind_a_plain_bridge(void **state)
{
    (void)state;
    fake_pci_add_bridge(0, 1, 5, 5);
    fake_pci_add(5, 31, 0, 7);
    scan(2);
    assert_int_equal(pci_bridge_above(pci_find_id(0x8086, 7, 0)->address)->address.devfn, 1 << 3);
}

static void ari_functions_are_found_by_number(void **state)
{
    struct fake_function *port = fake_pci_add_bridge(0, 1, 5, 5);

    (void)state;
    fake_pci_make_express(port, 4);
    port->space[FAKE_EXPRESS + EXPRESS_CONTROL_2] = EXPRESS_ARI_FORWARD;
    fake_pci_add(5, 0, 0, 7);
    fake_pci_add(5, 25, 3, 8);
    scan(3);
    assert_int_equal(pci_find_id(0x8086, 8, 0)->address.devfn, 25 << 3 | 3);
}

static void bars_are_sized_with_decoding_off(void **state)
{
    struct fake_function *fake = fake_pci_add(0, 1, 0, 1);
    struct pci_address at = fake->address;
    struct pci_bar bar;

    (void)state;
    fake->written = note_sizing;
    fake->space[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
    fake_pci_put32(fake, PCI_BAR, 0xfe000000); /* 64 KiB */
    fake->bar_bits[0] = 0xffff0000;
    fake_pci_put32(fake, PCI_BAR + 4, 0xe0000001); /* I/O: 32 ports, and no upper half */
    fake->bar_bits[1] = 0x0000ffe0;
    fake_pci_put32(fake, PCI_BAR + 8, 0x0000000c); /* 64-bit, prefetchable: 8 GiB at 8 GiB */
    fake_pci_put32(fake, PCI_BAR + 12, 2);
    fake->bar_bits[3] = 0xfffffffe;

    assert_int_equal(pci_bar(at, 0, &bar), 0);
    assert_int_equal(bar.address, 0xfe000000);
    assert_int_equal(bar.bytes, 0x10000);
    assert_false(bar.io || bar.is_64bit || bar.prefetchable);
    assert_int_equal(pci_bar(at, 1, &bar), ERR_NOT_FOUND); /* port 0: firmware gave it none */
    fake_pci_put32(fake, PCI_BAR + 4, 0x0000c041);
    assert_int_equal(pci_bar(at, 1, &bar), 0);
    assert_true(bar.io);
    assert_int_equal(bar.address, 0xc040);
    assert_int_equal(bar.bytes, 32);
    assert_int_equal(pci_bar(at, 2, &bar), 0);
    assert_int_equal(bar.address, 8 * GIB);
    assert_int_equal(bar.bytes, 8 * GIB);
    assert_true(bar.is_64bit && bar.prefetchable);

    assert_int_equal(pci_bar(at, 3, &bar), ERR_INVALID);
    assert_int_equal(pci_bar(at, 4, &bar), ERR_NOT_FOUND);
    assert_int_equal(pci_bar(at, 6, &bar), ERR_INVALID);
    assert_int_equal(decoding_while_sized, 0);
    assert_int_equal(fake->space[PCI_COMMAND], PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
    assert_int_equal(platform_pci_read32(at, PCI_BAR), 0xfe000000);
}

static void bars_that_cannot_be_are_refused(void **state)
{
    struct fake_function *fake = fake_pci_add(0, 1, 0, 1);
    volatile void *registers;
    struct pci_bar bar;

    (void)state;
    fake_pci_put32(fake, PCI_BAR + 20, 0xe0000004); /* the last one has no upper half */
    assert_int_equal(pci_bar(fake->address, 5, &bar), ERR_MALFORMED);
    fake_pci_put32(fake, PCI_BAR + 4, 0x50000000); /* over memory */
    fake->bar_bits[1] = 0xffff0000;
    assert_int_equal(pci_bar_map(fake->address, 1, &registers, NULL), ERR_FORBIDDEN);
    assert_non_null(strstr(host_log(), "BAR 1 at 0x50000000 lies over memory"));
}

static void mapping_a_bar_switches_decoding_on(void **state)
{
    struct fake_function *fake = fake_pci_add(0, 1, 0, 1);
    volatile void *registers = NULL;
    uint64_t bytes = 0;

    (void)state;
    fake_pci_put32(fake, PCI_BAR, 0xfe000000);
    fake->bar_bits[0] = 0xfffff000;
    assert_int_equal(pci_bar_map(fake->address, 0, &registers, &bytes), 0);
    assert_int_equal((uintptr_t)registers, 0xfe000000);
    assert_int_equal(bytes, 4096);
    assert_int_equal(fake->space[PCI_COMMAND], PCI_COMMAND_MEMORY);
}

static void capabilities_are_found_and_circles_end(void **state)
{
    struct fake_function *fake = fake_pci_add(0, 1, 0, 1);

    (void)state;
    assert_int_equal(pci_capability(fake->address, 5), 0);
    fake->space[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
    fake->space[PCI_CAPABILITIES] = 0x50;
    fake_pci_put32(fake, 0x50, 0x00006001);
    fake_pci_put32(fake, 0x60, 0x00000005);
    assert_int_equal(pci_capability(fake->address, 5), 0x60);
    assert_int_equal(pci_capability(fake->address, 6), 0);
    fake_pci_put32(fake, 0x60, 0x00005005);
    assert_int_equal(pci_capability(fake->address, 6), 0);
    assert_non_null(strstr(host_log(), "capabilities run in a circle"));

    fake_pci_put32(fake, 0x100, 0x14010001);
    fake_pci_put32(fake, 0x140, 0x00010010);
    assert_int_equal(pci_extended_capability(fake->address, 0x10), 0x140);
    assert_int_equal(pci_extended_capability(fake->address, 0x11), 0);
    fake_pci_put32(fake, 0x140, 0x10010010);
    host_log_clear();
    assert_int_equal(pci_extended_capability(fake->address, 0x11), 0);
    assert_non_null(strstr(host_log(), "capabilities run in a circle"));
}

static unsigned writes;

static void count_write(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    (void)fake;
    (void)bytes;
    writes += offset == PCI_COMMAND;
}

static void bits_of_the_command_register_change_and_no_others(void **state)
{
    struct fake_function *fake = fake_pci_add(0, 1, 0, 1);
    const uint16_t both = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

    (void)state;
    writes = 0;
    fake->written = count_write;
    fake->space[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MASTER;
    assert_int_equal(pci_command_change(fake->address, PCI_COMMAND_IO, PCI_COMMAND_MEMORY),
                     PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    assert_int_equal(fake->space[PCI_COMMAND], both);
    assert_int_equal(pci_command_change(fake->address, PCI_COMMAND_IO, PCI_COMMAND_MEMORY), both);
    assert_int_equal(writes, 1);
    memset(fake->space, 0xff, 64); /* it is gone */
    assert_int_equal(pci_command_change(fake->address, PCI_COMMAND_MASTER, 0), 0xffff);
    assert_int_equal(writes, 1);
}

static void bus_mastering_goes_through_bridges(void **state)
{
    struct fake_function *upper = fake_pci_add_bridge(0, 1, 1, 2), *lower = fake_pci_add_bridge(1, 0, 2, 2),
                         *device = fake_pci_add(2, 0, 0, 1);

    (void)state;
    scan(3);
    assert_int_equal(pci_bus_master_set(device->address, true), 0);
    assert_int_equal(upper->space[PCI_COMMAND] & lower->space[PCI_COMMAND] & device->space[PCI_COMMAND],
                     PCI_COMMAND_MASTER);
    assert_int_equal(pci_bus_master_set(device->address, false), 0);
    assert_int_equal(device->space[PCI_COMMAND], 0);
    assert_int_equal(lower->space[PCI_COMMAND], PCI_COMMAND_MASTER);
    assert_int_equal(pci_bus_master_off_all(NULL), 2);
    assert_int_equal(upper->space[PCI_COMMAND] | lower->space[PCI_COMMAND], 0);
}

static void stopping_waits_for_what_is_under_way(void **state)
{
    struct fake_function *device = fake_pci_add(0, 0, 0, 1);

    (void)state;
    fake_pci_make_express(device, 0);
    device->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    device->pending_reads = PENDING_FOR;
    scan(1);
    assert_int_equal(pci_bus_master_set(device->address, false), 0);
    assert_int_equal(device->pending_reads, 0);

    device->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    device->pending_reads = FAKE_FOREVER;
    host_log_clear();
    assert_int_equal(pci_bus_master_set(device->address, false), 0);
    assert_non_null(strstr(host_log(), "transactions pending"));
}

static void a_function_that_does_not_obey_is_an_error(void **state)
{
    struct fake_function *device = fake_pci_add(0, 0, 0, 1);

    (void)state;
    device->master_is_fixed = true;
    scan(1);
    assert_int_equal(pci_bus_master_set(device->address, true), ERR_HARDWARE);
    assert_int_equal(pci_bus_master_set((struct pci_address){0, 9, 0}, true), ERR_NOT_FOUND);

    device->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    host_log_clear();
    assert_int_equal(pci_bus_master_off_all(NULL), 1);
    assert_non_null(strstr(host_log(), "bus mastering cannot be switched off"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(further_functions_are_found_where_the_first_says_so, begin),
        cmocka_unit_test_setup(buses_without_a_bridge_are_found, begin),
        cmocka_unit_test_setup(one_device_is_looked_for_behind_an_express_port, begin),
        cmocka_unit_test_setup(all_devices_are_looked_for_behind_a_plain_bridge, begin),
        cmocka_unit_test_setup(ari_functions_are_found_by_number, begin),
        cmocka_unit_test_setup(bars_are_sized_with_decoding_off, begin),
        cmocka_unit_test_setup(bars_that_cannot_be_are_refused, begin),
        cmocka_unit_test_setup(mapping_a_bar_switches_decoding_on, begin),
        cmocka_unit_test_setup(capabilities_are_found_and_circles_end, begin),
        cmocka_unit_test_setup(bits_of_the_command_register_change_and_no_others, begin),
        cmocka_unit_test_setup(bus_mastering_goes_through_bridges, begin),
        cmocka_unit_test_setup(stopping_waits_for_what_is_under_way, begin),
        cmocka_unit_test_setup(a_function_that_does_not_obey_is_an_error, begin),
    };

    return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
