/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds every PCI function, and decides which may master the bus. */
#include "lib/pci.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/spinlock.h"
#include "lib/units.h"
#include <stdlib.h>

#define MULTIFUNCTION      0x80
#define BUSES              256u
#define DEVICES            32u
#define FUNCTIONS          8u
#define PENDING_TIMEOUT_NS (100 * NS_PER_MS)
#define NOBODY             0xffff /* what is read of a function that is not there any more */

/* The machine's functions; filled by pci_scan(), read-only after that. */
static struct pci_function *functions;
static unsigned function_count;
static unsigned function_room;

static int add_function(struct pci_address address, uint32_t id)
{
    uint32_t buses = platform_pci_read32(address, PCI_BUSES);
    struct pci_function *function;

    if (function_count == function_room) {
        unsigned room = function_room ? 2 * function_room : 64;
        struct pci_function *larger = realloc(functions, room * sizeof(*functions));

        if (!larger)
            return ERR_NOMEM;
        functions = larger;
        function_room = room;
    }
    function = &functions[function_count++];
    *function = (struct pci_function){
        .address = address,
        .vendor = (uint16_t)id,
        .device = (uint16_t)(id >> 16),
        .class_code = platform_pci_read32(address, PCI_CLASS) >> 8,
        .header_type = pci_read8(address, PCI_HEADER_TYPE) & 0x7f,
    };
    if (function->header_type == PCI_HEADER_BRIDGE || function->header_type == PCI_HEADER_CARDBUS) {
        function->secondary_bus = (uint8_t)(buses >> 8);
        function->subordinate_bus = (uint8_t)(buses >> 16);
    }
    return 0;
}

static bool is_there(uint32_t id)
{
    return (uint16_t)id != 0xffff && (uint16_t)id != 0;
}

/* Fewer than 8 functions are looked at only where the first says that it is the only one. */
static int scan_device(uint16_t segment, uint8_t bus, unsigned device)
{
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        struct pci_address address = {segment, bus, (uint8_t)(device << 3 | i)};
        uint32_t id = platform_pci_read32(address, PCI_ID);

        if (is_there(id)) {
            int error = add_function(address, id);

            if (error)
                return error;
        }
        if (i == 0 && (!is_there(id) || !(pci_read8(address, PCI_HEADER_TYPE) & MULTIFUNCTION)))
            break;
    }
    return 0;
}

/* With ARI the 8 bits of device and function are one number, and need not begin with a multiple of 8. */
static int scan_ari_bus(uint16_t segment, uint8_t bus)
{
    for (unsigned devfn = 0; devfn < DEVICES * FUNCTIONS; devfn++) {
        struct pci_address address = {segment, bus, (uint8_t)devfn};
        uint32_t id = platform_pci_read32(address, PCI_ID);
        int error = is_there(id) ? add_function(address, id) : 0;

        if (error)
            return error;
    }
    return 0;
}

/* Behind a PCI Express port that leads down there is only device 0, and some devices answer to every number.
 */
static bool leads_to_link(struct pci_address bridge, bool *ari)
{
    unsigned express = pci_capability(bridge, PCI_CAPABILITY_EXPRESS);
    enum pci_express_type type = pci_express_type(bridge);

    *ari = false;
    if (type != PCI_EXPRESS_ROOT_PORT && type != PCI_EXPRESS_DOWNSTREAM)
        return false;
    *ari = (pci_read16(bridge, express + PCI_EXPRESS_FLAGS) & 15) >= 2 &&
           (pci_read16(bridge, express + PCI_EXPRESS_CONTROL_2) & PCI_EXPRESS_ARI_FORWARD);
    return true;
}

/* The bridge to a bus has a lower bus number, so it is in the table already. */
static int scan_bus(uint16_t segment, uint8_t bus)
{
    const struct pci_function *bridge = pci_bridge_above((struct pci_address){segment, bus, 0});
    bool ari = false;
    unsigned devices = bridge && leads_to_link(bridge->address, &ari) ? 1 : DEVICES;

    if (ari)
        return scan_ari_bus(segment, bus);
    for (unsigned device = 0; device < devices; device++) {
        int error = scan_device(segment, bus, device);

        if (error)
            return error;
    }
    return 0;
}

int pci_scan(const uint16_t *segments, unsigned count)
{
    int error = 0;

    function_count = 0;
    for (unsigned i = 0; i < count && !error; i++)
        for (unsigned bus = 0; bus < BUSES && !error; bus++)
            error = scan_bus(segments[i], (uint8_t)bus);
    if (error)
        log_error("PCI: %u functions found, then: %s", function_count, error_text(error));
    else
        log_info("PCI: %u functions", function_count);
    return error;
}

const struct pci_function *pci_function(unsigned index)
{
    return index < function_count ? &functions[index] : NULL;
}

const struct pci_function *pci_find(struct pci_address address)
{
    for (unsigned i = 0; i < function_count; i++)
        if (pci_address_equal(functions[i].address, address))
            return &functions[i];
    return NULL;
}

const struct pci_function *pci_find_id(uint16_t vendor, uint16_t device, unsigned nth)
{
    for (unsigned i = 0; i < function_count; i++)
        if (functions[i].vendor == vendor && functions[i].device == device && !nth--)
            return &functions[i];
    return NULL;
}

const struct pci_function *pci_find_class(uint32_t class_code, unsigned nth)
{
    for (unsigned i = 0; i < function_count; i++)
        if (functions[i].class_code == class_code && !nth--)
            return &functions[i];
    return NULL;
}

const struct pci_function *pci_bridge_above(struct pci_address address)
{
    for (unsigned i = 0; i < function_count; i++)
        if (functions[i].secondary_bus && functions[i].secondary_bus == address.bus &&
            functions[i].address.segment == address.segment && functions[i].address.bus < address.bus)
            return &functions[i];
    return NULL;
}

bool pci_wait_quiet(struct pci_address function)
{
    /* Which reads from the function: the answers come after all writes that it issued (PCI ordering rules).
     */
    unsigned express = pci_capability(function, PCI_CAPABILITY_EXPRESS);

    return !express || wait_until(!(pci_read16(function, express + PCI_EXPRESS_STATUS) & PCI_EXPRESS_PENDING),
                                  PENDING_TIMEOUT_NS);
}

uint16_t pci_command_change(struct pci_address function, uint16_t clear, uint16_t set)
{
    static struct spinlock lock;
    uint64_t saved = mutant(COMMAND_UNLOCKED) ? 0 : spin_lock_irq(&lock);
    uint16_t command = pci_read16(function, PCI_COMMAND), changed = (uint16_t)((command & ~clear) | set);

    if (command != NOBODY && changed != command)
        platform_pci_write16(function, PCI_COMMAND, changed);
    if (!mutant(COMMAND_UNLOCKED))
        spin_unlock_irq(&lock, saved);
    return command;
}

bool pci_bus_master_stop(struct pci_address function)
{
    uint16_t command = pci_command_change(function, PCI_COMMAND_MASTER, 0);

    if (command == NOBODY || !(command & PCI_COMMAND_MASTER))
        return false;
    /* The answer to this read comes after all writes that the function issued (PCI ordering rules). */
    if (pci_read16(function, PCI_COMMAND) & PCI_COMMAND_MASTER)
        log_warn("PCI " PCI_FORMAT ": bus mastering cannot be switched off", PCI_ARGS(function));
    if (!pci_wait_quiet(function))
        log_warn("PCI " PCI_FORMAT ": transactions pending long after bus mastering was switched off",
                 PCI_ARGS(function));
    return true;
}

int pci_bus_master_set(struct pci_address address, bool on)
{
    const struct pci_function *function = pci_find(address);

    if (!function)
        return ERR_NOT_FOUND;
    if (!on) {
        (void)pci_bus_master_stop(address);
    } else {
        for (const struct pci_function *step = function; step; step = pci_bridge_above(step->address))
            (void)pci_command_change(step->address, 0, PCI_COMMAND_MASTER);
    }
    if (((pci_read16(address, PCI_COMMAND) & PCI_COMMAND_MASTER) != 0) != on) {
        log_error("PCI " PCI_FORMAT ": bus mastering cannot be switched %s", PCI_ARGS(address),
                  on ? "on" : "off");
        return ERR_HARDWARE;
    }
    return 0;
}

bool pci_bus_master_is_on(struct pci_address function)
{
    return pci_read16(function, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* The function's DMA goes through that of one that is kept. */
static bool leads_to_kept(const struct pci_function *bridge, bool (*keeps)(struct pci_address function))
{
    for (unsigned i = 0; bridge->secondary_bus && i < function_count; i++)
        if (functions[i].address.segment == bridge->address.segment &&
            functions[i].address.bus >= bridge->secondary_bus &&
            functions[i].address.bus <= bridge->subordinate_bus && keeps(functions[i].address))
            return true;
    return false;
}

unsigned pci_bus_master_off_all(bool (*keeps)(struct pci_address function))
{
    unsigned stopped = 0;

    /* Last found first: a function is stopped before the bridge that its writes pass. */
    for (unsigned i = function_count; i--;)
        if (!keeps || (!keeps(functions[i].address) && !leads_to_kept(&functions[i], keeps)))
            stopped += pci_bus_master_stop(functions[i].address);
    return stopped;
}
