/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI on a made-up machine: what is found, BARs, capabilities, and bus mastering through bridges. */
#include "arch/cpu/paging.h"
#include "arch/platform/memory_map.h"
#include "arch/platform/pci.h"
#include "arch/platform/pci_config.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

/* They belong to arch/, which is not in the library that tests link with. */
#include "arch/platform/pci.c"
#include "arch/platform/pci_bar.c"
#include "arch/platform/pci_capability.c"

#define FAKES_MAX    16u
#define EXPRESS      0x40u
#define PENDING_FOR  3u /* reads of the device status that still show transactions */
#define MEMORY_START 0x40000000ull
#define MEMORY_END   0x80000000ull

/* One function's configuration space, and which bits of its BARs can be written. */
struct fake {
    struct pci_address address;
    uint8_t space[4096];
    uint32_t bar_bits[6];
    bool master_is_fixed;
    bool any_device; /* answers to every device number of its bus */
};

static struct fake fakes[FAKES_MAX];
static unsigned fake_count;
static unsigned decoding_while_sized;

static struct fake *find_fake(struct pci_address address)
{
    for (unsigned i = 0; i < fake_count; i++)
        if (pci_address_equal(fakes[i].address, address) ||
            (fakes[i].any_device && fakes[i].address.bus == address.bus && (address.devfn & 7) == 0))
            return &fakes[i];
    return NULL;
}

void pci_config_init(const struct acpi_ecam *ecam, unsigned count)
{
    (void)ecam;
    (void)count;
}

bool pci_config_reaches(uint16_t segment, uint8_t bus)
{
    (void)bus;
    return segment == 0;
}

uint32_t pci_read32(struct pci_address function, unsigned offset)
{
    struct fake *fake = find_fake(function);
    uint32_t value = ~0u;

    if (fake && offset < sizeof(fake->space))
        memcpy(&value, fake->space + (offset & ~3u), 4);
    return value;
}

uint16_t pci_read16(struct pci_address function, unsigned offset)
{
    uint16_t value = (uint16_t)(pci_read32(function, offset) >> (offset & 2) * 8);
    struct fake *fake = find_fake(function);

    /* Transactions end after some time. */
    if (fake && offset == EXPRESS + EXPRESS_STATUS && fake->space[EXPRESS] == PCI_CAPABILITY_EXPRESS &&
        fake->space[EXPRESS + 0x30] && !--fake->space[EXPRESS + 0x30])
        fake->space[offset] &= (uint8_t)~EXPRESS_PENDING;
    return value;
}

uint8_t pci_read8(struct pci_address function, unsigned offset)
{
    return (uint8_t)(pci_read32(function, offset) >> (offset & 3) * 8);
}

void pci_write32(struct pci_address function, unsigned offset, uint32_t value)
{
    struct fake *fake = find_fake(function);
    unsigned bar = (offset - PCI_BAR) / 4;
    uint32_t old;

    if (!fake)
        return;
    memcpy(&old, fake->space + offset, 4);
    if (offset >= PCI_BAR && bar < 6) {
        value = (value & fake->bar_bits[bar]) | (old & ~fake->bar_bits[bar]);
        decoding_while_sized += fake->space[PCI_COMMAND] & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    }
    memcpy(fake->space + offset, &value, 4);
}

void pci_write16(struct pci_address function, unsigned offset, uint16_t value)
{
    struct fake *fake = find_fake(function);

    if (!fake)
        return;
    if (offset == PCI_COMMAND && fake->master_is_fixed)
        value = (uint16_t)((value & ~PCI_COMMAND_MASTER) | (fake->space[offset] & PCI_COMMAND_MASTER));
    memcpy(fake->space + offset, &value, 2);
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

static void put32(struct fake *fake, unsigned offset, uint32_t value)
{
    memcpy(fake->space + offset, &value, 4);
}

static struct fake *add(uint8_t bus, unsigned device, unsigned number, uint16_t id)
{
    struct fake *fake = &fakes[fake_count++];

    fake->address = (struct pci_address){0, bus, (uint8_t)(device << 3 | number)};
    put32(fake, PCI_ID, (uint32_t)id << 16 | 0x8086);
    return fake;
}

static struct fake *add_bridge(uint8_t bus, unsigned device, uint8_t secondary, uint8_t subordinate)
{
    struct fake *fake = add(bus, device, 0, 0xb0b0);

    put32(fake, PCI_CLASS, 0x06040000);
    fake->space[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
    put32(fake, PCI_BUSES, (uint32_t)subordinate << 16 | (uint32_t)secondary << 8 | bus);
    return fake;
}

/* type: 4 root port, 0 endpoint. */
static void make_express(struct fake *fake, unsigned type)
{
    fake->space[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
    fake->space[PCI_CAPABILITIES] = EXPRESS;
    put32(fake, EXPRESS, type << 20 | 2u << 16 | PCI_CAPABILITY_EXPRESS);
}

static int begin(void **state)
{
    (void)state;
    memset(fakes, 0, sizeof(fakes));
    fake_count = 0;
    function_count = 0;
    decoding_while_sized = 0;
    host_log_clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(functions);
    functions = NULL;
    function_room = 0;
    return 0;
}

static void scan(unsigned expected)
{
    assert_int_equal(pci_init(NULL, 0), 0);
    assert_int_equal(function_count, expected);
}

static void further_functions_are_found_where_the_first_says_so(void **state)
{
    (void)state;
    add(0, 1, 0, 1)->space[PCI_HEADER_TYPE] = MULTIFUNCTION;
    add(0, 1, 5, 2);
    add(0, 2, 0, 3);
    add(0, 2, 1, 4); /* a ghost: function 0 says that it is alone */
    add(0, 3, 2, 5); /* no function 0: not there */
    scan(3);
    assert_non_null(pci_find_id(0x8086, 2, 0));
    assert_null(pci_find_id(0x8086, 4, 0));
}

static void buses_without_a_bridge_are_found(void **state)
{
    (void)state;
    add(0, 0, 0, 1);
    add(128, 0, 0, 2);
    scan(2);
    assert_int_equal(pci_find_id(0x8086, 2, 0)->address.bus, 128);
    assert_null(pci_bridge_above(pci_find_id(0x8086, 2, 0)->address));
}

static void one_device_is_looked_for_behind_an_express_port(void **state)
{
    (void)state;
    make_express(add_bridge(0, 1, 5, 5), 4);
    add(5, 0, 0, 7)->any_device = true;
    scan(2);
}

static void all_devices_are_looked_for_behind_a_plain_bridge(void **state)
{
    (void)state;
    add_bridge(0, 1, 5, 5);
    add(5, 31, 0, 7);
    scan(2);
    assert_int_equal(pci_bridge_above(pci_find_id(0x8086, 7, 0)->address)->address.devfn, 1 << 3);
}

static void ari_functions_are_found_by_number(void **state)
{
    struct fake *port = add_bridge(0, 1, 5, 5);

    (void)state;
    make_express(port, 4);
    port->space[EXPRESS + EXPRESS_CONTROL_2] = EXPRESS_ARI_FORWARD;
    add(5, 0, 0, 7);
    add(5, 25, 3, 8);
    scan(3);
    assert_int_equal(pci_find_id(0x8086, 8, 0)->address.devfn, 25 << 3 | 3);
}

static void bars_are_sized_with_decoding_off(void **state)
{
    struct fake *fake = add(0, 1, 0, 1);
    struct pci_address at = fake->address;
    struct pci_bar bar;

    (void)state;
    fake->space[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
    put32(fake, PCI_BAR, 0xfe000000); /* 64 KiB */
    fake->bar_bits[0] = 0xffff0000;
    put32(fake, PCI_BAR + 4, 0xe0000001); /* I/O: 32 ports, and no upper half */
    fake->bar_bits[1] = 0x0000ffe0;
    put32(fake, PCI_BAR + 8, 0x0000000c); /* 64-bit, prefetchable: 8 GiB at 8 GiB */
    put32(fake, PCI_BAR + 12, 2);
    fake->bar_bits[3] = 0xfffffffe;

    assert_int_equal(pci_bar(at, 0, &bar), 0);
    assert_int_equal(bar.address, 0xfe000000);
    assert_int_equal(bar.bytes, 0x10000);
    assert_false(bar.io || bar.is_64bit || bar.prefetchable);
    assert_int_equal(pci_bar(at, 1, &bar), ERR_NOT_FOUND); /* port 0: firmware gave it none */
    put32(fake, PCI_BAR + 4, 0x0000c041);
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
    assert_int_equal(pci_read32(at, PCI_BAR), 0xfe000000);
}

static void bars_that_cannot_be_are_refused(void **state)
{
    struct fake *fake = add(0, 1, 0, 1);
    volatile void *registers;
    struct pci_bar bar;

    (void)state;
    put32(fake, PCI_BAR + 20, 0xe0000004); /* the last one has no upper half */
    assert_int_equal(pci_bar(fake->address, 5, &bar), ERR_MALFORMED);
    put32(fake, PCI_BAR + 4, 0x50000000); /* over memory */
    fake->bar_bits[1] = 0xffff0000;
    assert_int_equal(pci_bar_map(fake->address, 1, &registers, NULL), ERR_FORBIDDEN);
    assert_non_null(strstr(host_log(), "BAR 1 at 0x50000000 lies over memory"));
}

static void mapping_a_bar_switches_decoding_on(void **state)
{
    struct fake *fake = add(0, 1, 0, 1);
    volatile void *registers = NULL;
    uint64_t bytes = 0;

    (void)state;
    put32(fake, PCI_BAR, 0xfe000000);
    fake->bar_bits[0] = 0xfffff000;
    assert_int_equal(pci_bar_map(fake->address, 0, &registers, &bytes), 0);
    assert_int_equal((uintptr_t)registers, 0xfe000000);
    assert_int_equal(bytes, 4096);
    assert_int_equal(fake->space[PCI_COMMAND], PCI_COMMAND_MEMORY);
}

static void capabilities_are_found_and_circles_end(void **state)
{
    struct fake *fake = add(0, 1, 0, 1);

    (void)state;
    assert_int_equal(pci_capability(fake->address, 5), 0);
    fake->space[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
    fake->space[PCI_CAPABILITIES] = 0x50;
    put32(fake, 0x50, 0x00006001);
    put32(fake, 0x60, 0x00000005);
    assert_int_equal(pci_capability(fake->address, 5), 0x60);
    assert_int_equal(pci_capability(fake->address, 6), 0);
    put32(fake, 0x60, 0x00005005);
    assert_int_equal(pci_capability(fake->address, 6), 0);
    assert_non_null(strstr(host_log(), "capabilities run in a circle"));

    put32(fake, 0x100, 0x14010001);
    put32(fake, 0x140, 0x00010010);
    assert_int_equal(pci_extended_capability(fake->address, 0x10), 0x140);
    assert_int_equal(pci_extended_capability(fake->address, 0x11), 0);
    put32(fake, 0x140, 0x10010010);
    host_log_clear();
    assert_int_equal(pci_extended_capability(fake->address, 0x11), 0);
    assert_non_null(strstr(host_log(), "capabilities run in a circle"));
}

static void bus_mastering_goes_through_bridges(void **state)
{
    struct fake *upper = add_bridge(0, 1, 1, 2), *lower = add_bridge(1, 0, 2, 2), *device = add(2, 0, 0, 1);

    (void)state;
    scan(3);
    assert_int_equal(pci_bus_master_set(device->address, true), 0);
    assert_int_equal(upper->space[PCI_COMMAND] & lower->space[PCI_COMMAND] & device->space[PCI_COMMAND],
                     PCI_COMMAND_MASTER);
    assert_int_equal(pci_bus_master_set(device->address, false), 0);
    assert_int_equal(device->space[PCI_COMMAND], 0);
    assert_int_equal(lower->space[PCI_COMMAND], PCI_COMMAND_MASTER);
    assert_int_equal(pci_bus_master_off_all(), 2);
    assert_int_equal(upper->space[PCI_COMMAND] | lower->space[PCI_COMMAND], 0);
}

static void stopping_waits_for_what_is_under_way(void **state)
{
    struct fake *device = add(0, 0, 0, 1);

    (void)state;
    make_express(device, 0);
    device->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    device->space[EXPRESS + EXPRESS_STATUS] = EXPRESS_PENDING;
    device->space[EXPRESS + 0x30] = PENDING_FOR;
    scan(1);
    assert_int_equal(pci_bus_master_set(device->address, false), 0);
    assert_int_equal(device->space[EXPRESS + EXPRESS_STATUS], 0);

    device->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    device->space[EXPRESS + EXPRESS_STATUS] = EXPRESS_PENDING; /* for ever */
    host_log_clear();
    assert_int_equal(pci_bus_master_set(device->address, false), 0);
    assert_non_null(strstr(host_log(), "transactions pending"));
}

static void a_function_that_does_not_obey_is_an_error(void **state)
{
    struct fake *device = add(0, 0, 0, 1);

    (void)state;
    device->master_is_fixed = true;
    scan(1);
    assert_int_equal(pci_bus_master_set(device->address, true), ERR_HARDWARE);
    assert_int_equal(pci_bus_master_set((struct pci_address){0, 9, 0}, true), ERR_NOT_FOUND);

    device->space[PCI_COMMAND] = PCI_COMMAND_MASTER;
    host_log_clear();
    assert_int_equal(pci_bus_master_off_all(), 1);
    assert_non_null(strstr(host_log(), "bus mastering cannot be switched off"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(further_functions_are_found_where_the_first_says_so, begin, end),
        cmocka_unit_test_setup_teardown(buses_without_a_bridge_are_found, begin, end),
        cmocka_unit_test_setup_teardown(one_device_is_looked_for_behind_an_express_port, begin, end),
        cmocka_unit_test_setup_teardown(all_devices_are_looked_for_behind_a_plain_bridge, begin, end),
        cmocka_unit_test_setup_teardown(ari_functions_are_found_by_number, begin, end),
        cmocka_unit_test_setup_teardown(bars_are_sized_with_decoding_off, begin, end),
        cmocka_unit_test_setup_teardown(bars_that_cannot_be_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(mapping_a_bar_switches_decoding_on, begin, end),
        cmocka_unit_test_setup_teardown(capabilities_are_found_and_circles_end, begin, end),
        cmocka_unit_test_setup_teardown(bus_mastering_goes_through_bridges, begin, end),
        cmocka_unit_test_setup_teardown(stopping_waits_for_what_is_under_way, begin, end),
        cmocka_unit_test_setup_teardown(a_function_that_does_not_obey_is_an_error, begin, end),
    };

    return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
