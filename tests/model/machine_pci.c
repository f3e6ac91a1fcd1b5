/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space: functions of one segment that have an identity and a command register. */
#include "lib/pci.h"
#include "lib/platform.h"
#include "tests/model/device.h"
#include "tests/model/history.h"
#include "tests/model/machine.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"

#define FUNCTIONS_MAX 4
#define ID            0x12348086u

struct function {
    uint16_t source_id;
    uint16_t command;
    bool fixed;
};

static struct function functions[FUNCTIONS_MAX];
static unsigned function_count;

static struct function *find(uint16_t source_id)
{
    for (unsigned i = 0; i < function_count; i++)
        if (functions[i].source_id == source_id)
            return &functions[i];
    return NULL;
}

void machine_add_function(uint16_t source_id)
{
    expect(function_count < FUNCTIONS_MAX);
    functions[function_count++] = (struct function){.source_id = source_id, .command = PCI_COMMAND_MASTER};
}

bool machine_masters_bus(uint16_t source_id)
{
    return find(source_id)->command & PCI_COMMAND_MASTER;
}

void machine_fix_bus_master(uint16_t source_id)
{
    find(source_id)->fixed = true;
}

/* The answer to a read comes after the writes that the function sent before it (PCI ordering rules). */
uint32_t platform_pci_read32(struct pci_address address, unsigned offset)
{
    const struct function *function = find(pci_source_id(address));
    struct device *device = device_find(pci_source_id(address));

    schedule_point(POINT_MMIO, NULL);
    if (!function)
        return device ? device_config_read(device, offset) : ~0u;
    if (device)
        device_drain(device);
    switch (offset) {
    case PCI_ID:
        return ID;
    case PCI_COMMAND:
        return function->command;
    case PCI_HEADER_TYPE & ~3u:
        return 0x80u << 8 * (PCI_HEADER_TYPE % 4); /* of several functions */
    default:
        return 0;
    }
}

static void pci_write(struct pci_address address, unsigned offset, unsigned bytes, uint32_t value)
{
    struct function *function = find(pci_source_id(address));
    struct device *device = device_find(pci_source_id(address));

    schedule_point(POINT_MMIO, NULL);
    history("writes %#lx to PCI function %#lx, offset %#lx", value, pci_source_id(address), offset);
    if (!function && device)
        device_config_write(device, offset, bytes, value);
    else if (function && !function->fixed && offset == PCI_COMMAND)
        function->command = (uint16_t)value;
}

void platform_pci_write16(struct pci_address address, unsigned offset, uint16_t value)
{
    pci_write(address, offset, 2, value);
}

void platform_pci_write32(struct pci_address address, unsigned offset, uint32_t value)
{
    pci_write(address, offset, 4, value);
}
