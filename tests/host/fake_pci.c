/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space in an array, with what little of it does something when it is read or written. */
#include "tests/host/fake_pci.h"
#include "lib/pci.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define FAKES_MAX      48u
#define EXPRESS_DEVICE 8u /* device control, and status above it */
#define PENDING        (1u << 21)

static struct fake_function fakes[FAKES_MAX];
static unsigned fake_count;

struct fake_function *fake_pci_find(struct pci_address address)
{
    for (unsigned i = 0; i < fake_count; i++)
        if (pci_address_equal(fakes[i].address, address) ||
            (fakes[i].any_device && fakes[i].address.bus == address.bus && (address.devfn & 7) == 0))
            return &fakes[i];
    return NULL;
}

uint32_t fake_pci_get32(const struct fake_function *function, unsigned offset)
{
    uint32_t value;

    memcpy(&value, function->space + offset, 4);
    return value;
}

void fake_pci_put32(struct fake_function *function, unsigned offset, uint32_t value)
{
    memcpy(function->space + offset, &value, 4);
}

static uint32_t read32(void *context, struct pci_address address, unsigned offset)
{
    struct fake_function *fake = fake_pci_find(address);
    uint32_t value;

    (void)context;
    if (!fake)
        return ~0u;
    assert_int_equal(offset % 4, 0);
    assert_true(offset < sizeof fake->space);
    value = fake_pci_get32(fake, offset);
    if (offset == FAKE_EXPRESS + EXPRESS_DEVICE && fake->pending_reads) {
        value |= PENDING;
        if (fake->pending_reads != FAKE_FOREVER)
            fake->pending_reads--;
    }
    return value;
}

static void tell(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    if (fake->written)
        fake->written(fake, offset, bytes);
}

static void write32(void *context, struct pci_address address, unsigned offset, uint32_t value)
{
    struct fake_function *fake = fake_pci_find(address);
    unsigned bar = (offset - PCI_BAR) / 4;

    (void)context;
    if (!fake)
        return;
    if (offset >= PCI_BAR && bar < 6)
        value = (value & fake->bar_bits[bar]) | (fake_pci_get32(fake, offset) & ~fake->bar_bits[bar]);
    fake_pci_put32(fake, offset, value);
    tell(fake, offset, 4);
}

static void write16(void *context, struct pci_address address, unsigned offset, uint16_t value)
{
    struct fake_function *fake = fake_pci_find(address);

    (void)context;
    if (!fake)
        return;
    if (offset == PCI_COMMAND && fake->master_is_fixed)
        value = (uint16_t)((value & ~PCI_COMMAND_MASTER) | (fake->space[offset] & PCI_COMMAND_MASTER));
    memcpy(fake->space + offset, &value, 2);
    tell(fake, offset, 2);
}

void fake_pci_install(void)
{
    memset(fakes, 0, sizeof fakes);
    fake_count = 0;
    host_set_pci(&(struct host_pci_ops){.read32 = read32, .write32 = write32, .write16 = write16});
}

struct fake_function *fake_pci_add(uint8_t bus, unsigned device, unsigned number, uint16_t id)
{
    struct fake_function *fake = &fakes[fake_count++];

    assert_true(fake_count <= FAKES_MAX);
    fake->address = (struct pci_address){0, bus, (uint8_t)(device << 3 | number)};
    fake_pci_put32(fake, PCI_ID, (uint32_t)id << 16 | 0x8086);
    return fake;
}

struct fake_function *fake_pci_add_bridge(uint8_t bus, unsigned device, uint8_t secondary,
                                          uint8_t subordinate)
{
    struct fake_function *fake = fake_pci_add(bus, device, 0, 0xb0b0);

    fake_pci_put32(fake, PCI_CLASS, 0x06040000);
    fake->space[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
    fake_pci_put32(fake, PCI_BUSES, (uint32_t)subordinate << 16 | (uint32_t)secondary << 8 | bus);
    return fake;
}

void fake_pci_make_express(struct fake_function *function, unsigned type)
{
    function->space[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
    function->space[PCI_CAPABILITIES] = FAKE_EXPRESS;
    fake_pci_put32(function, FAKE_EXPRESS, type << 20 | 2u << 16 | PCI_CAPABILITY_EXPRESS);
}

void fake_pci_make_acs(struct fake_function *function, uint16_t features)
{
    fake_pci_put32(function, FAKE_ACS, 1u << 16 | 0x0d);
    fake_pci_put32(function, FAKE_ACS + 4, features);
}
