/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI functions: what there is, their configuration space and capabilities, and which may master the bus.
 *
 * pci_scan() runs once, on the boot CPU; the table of functions does not change after it. Configuration space
 * may be reached on any CPU and in any context. Errors are logged where they are found. */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"
#include "lib/platform.h"
#include <stdbool.h>
#include <stdint.h>

struct pci_function {
    struct pci_address address;
    uint16_t vendor;
    uint16_t device;
    uint32_t class_code;   /* base class << 16 | sub-class << 8 | programming interface */
    uint8_t header_type;   /* enum pci_header */
    uint8_t secondary_bus; /* a bridge's: the bus behind it, and the last one behind that; else 0 */
    uint8_t subordinate_bus;
};

enum pci_header {
    PCI_HEADER_ENDPOINT = 0,
    PCI_HEADER_BRIDGE = 1,
    PCI_HEADER_CARDBUS = 2,
};

enum pci_class {
    PCI_CLASS_NVME = 0x010802,
};

/* Offsets in configuration space (PCI 3.0, section 6.1), and bits of the command register there. */
enum {
    PCI_ID = 0x00,
    PCI_COMMAND = 0x04,
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_NO_INTX = 1 << 10,
    PCI_STATUS = 0x06,
    PCI_STATUS_CAPABILITIES = 1 << 4,
    PCI_CLASS = 0x08,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR = 0x10,
    PCI_BUSES = 0x18, /* a bridge's: primary, secondary, subordinate */
    PCI_CAPABILITIES = 0x34,
    PCI_CAPABILITIES_CARDBUS = 0x14,
};

#define PCI_CAPABILITY_EXPRESS 0x10

/* Offsets in the PCI Express capability, and bits there (PCI Express base specification, 7.5.3). */
enum {
    PCI_EXPRESS_FLAGS = 0x02, /* version in bits 3:0, type in bits 7:4 */
    PCI_EXPRESS_CAP = 0x04,
    PCI_EXPRESS_CONTROL = 0x08,
    PCI_EXPRESS_STATUS = 0x0a,
    PCI_EXPRESS_PENDING = 1 << 5,
    PCI_EXPRESS_CONTROL_2 = 0x28,
    PCI_EXPRESS_ARI_FORWARD = 1 << 5,
};

enum pci_express_type {
    PCI_EXPRESS_ENDPOINT = 0,
    PCI_EXPRESS_LEGACY_ENDPOINT = 1,
    PCI_EXPRESS_ROOT_PORT = 4,
    PCI_EXPRESS_UPSTREAM = 5, /* ports of a switch */
    PCI_EXPRESS_DOWNSTREAM = 6,
    PCI_EXPRESS_TO_PCI = 7, /* a bridge to PCI or PCI-X, */
    PCI_EXPRESS_FROM_PCI = 8,
    PCI_EXPRESS_INTEGRATED = 9, /* an endpoint of the root complex */
    PCI_EXPRESS_EVENT_COLLECTOR = 10,
    PCI_EXPRESS_NONE = 16, /* not a type: conventional PCI */
};

/* Finds every function of these segments, without repetitions; on all buses, since a machine with several
 * host bridges has several root buses. What an earlier scan found is forgotten. ERR_NOMEM. */
int pci_scan(const uint16_t *segments, unsigned count) MUST_CHECK;

/* The functions found, in the order of their addresses: index from 0; NULL past the last. */
const struct pci_function *pci_function(unsigned index);

/* The function at an address; and the nth (from 0) with this vendor and device, or with this class code.
 * NULL: there is none. */
const struct pci_function *pci_find(struct pci_address address);
const struct pci_function *pci_find_id(uint16_t vendor, uint16_t device, unsigned nth);
const struct pci_function *pci_find_class(uint32_t class_code, unsigned nth);

/* The bridge that leads to a function; NULL when it is on a root bus. */
const struct pci_function *pci_bridge_above(struct pci_address address);

/* Parts of platform_pci_read32(): reading four bytes where fewer were asked for is harmless, since no
 * register of configuration space changes when it is read. offset is a multiple of the access's size, below
 * 4096. */
static inline uint16_t pci_read16(struct pci_address function, unsigned offset)
{
    return (uint16_t)(platform_pci_read32(function, offset & ~3u) >> (offset & 2) * 8);
}

static inline uint8_t pci_read8(struct pci_address function, unsigned offset)
{
    return (uint8_t)(platform_pci_read32(function, offset & ~3u) >> (offset & 3) * 8);
}

/* Offset of a function's capability, or of its extended one (PCI Express); 0: it has none, or its list is
 * broken. */
unsigned pci_capability(struct pci_address function, uint8_t id);
unsigned pci_extended_capability(struct pci_address function, uint16_t id);

/* Which kind of PCI Express function it is. */
static inline enum pci_express_type pci_express_type(struct pci_address function)
{
    unsigned express = pci_capability(function, PCI_CAPABILITY_EXPRESS);

    return express ? (enum pci_express_type)(pci_read16(function, express + PCI_EXPRESS_FLAGS) >> 4 & 15)
                   : PCI_EXPRESS_NONE;
}

/* Clears and sets bits of a function's Command register, and leaves the others. Under a lock, so that of two
 * who change it at once neither undoes what the other one did: a function that loses its bus mastering does
 * not get it back from who changes another bit. Whoever changes some of its bits does it by this. Returns
 * what it was; 0xffff: nobody answers. Writes nothing where that changes nothing. Any CPU, any context but an
 * NMI. */
uint16_t pci_command_change(struct pci_address function, uint16_t clear, uint16_t set);

/* Lets a function issue DMA and MSIs, and the bridges above it pass them on; or stops the function (the
 * bridges stay as they are). Returns when the function has taken the change. ERR_NOT_FOUND; ERR_HARDWARE: the
 * command register does not keep it. */
int pci_bus_master_set(struct pci_address function, bool on) MUST_CHECK;

bool pci_bus_master_is_on(struct pci_address function);

/* Stops one function, which need not be in the table, and waits for what it has issued; the log says if it
 * goes on. Returns whether it was on. */
bool pci_bus_master_stop(struct pci_address function);

/* Waits until what a function has issued, which issues nothing more, has ended: its writes are in memory, its
 * reads are answered. False: some are not after 100 ms. True too where there is no way to know of reads
 * (without PCI Express), and of a function that is not there any more. */
bool pci_wait_quiet(struct pci_address function) MUST_CHECK;

/* Stops every function and every bridge but those that keeps (NULL: none) says yes to, and the bridges above
 * those. Returns how many were on. */
unsigned pci_bus_master_off_all(bool (*keeps)(struct pci_address function));
