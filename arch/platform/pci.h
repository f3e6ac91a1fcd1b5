/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI functions: what there is, their configuration space, BARs and capabilities.
 *
 * pci_init() runs once, on the boot CPU; the table of functions does not change after it. Configuration space
 * may then be reached on any CPU and in any context. Errors are logged where they are found. */
#pragma once

#include "arch/platform/acpi.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stddef.h>
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

/* Finds every function. Configuration space is reached through the MCFG's windows, and where they do not
 * cover segment 0, through ports 0xcf8 and 0xcfc. ERR_NOMEM. */
int pci_init(const struct acpi_ecam *ecam, unsigned count) MUST_CHECK;

/* The functions found, in the order of their addresses: index from 0; NULL past the last. */
const struct pci_function *pci_function(unsigned index);

/* The function at an address; and the nth (from 0) with this vendor and device, or with this class code.
 * NULL: there is none. */
const struct pci_function *pci_find(struct pci_address address);
const struct pci_function *pci_find_id(uint16_t vendor, uint16_t device, unsigned nth);
const struct pci_function *pci_find_class(uint32_t class_code, unsigned nth);

/* The bridge that leads to a function; NULL when it is on a root bus. */
const struct pci_function *pci_bridge_above(struct pci_address address);

/* Configuration space; offset is a multiple of the access's size, below 4096. A function that is not there,
 * and an offset that cannot be reached, read as all ones; writes to them are lost. */
uint32_t pci_read32(struct pci_address function, unsigned offset);
uint16_t pci_read16(struct pci_address function, unsigned offset);
uint8_t pci_read8(struct pci_address function, unsigned offset);
void pci_write32(struct pci_address function, unsigned offset, uint32_t value);
void pci_write16(struct pci_address function, unsigned offset, uint16_t value);

/* Offset of a function's capability, or of its extended one (PCI Express); 0: it has none, or its list is
 * broken. */
unsigned pci_capability(struct pci_address function, uint8_t id);
unsigned pci_extended_capability(struct pci_address function, uint16_t id);

struct pci_bar {
    uint64_t address; /* as the host sees it, or an I/O port */
    uint64_t bytes;
    bool io;
    bool is_64bit;
    bool prefetchable;
};

/* What BAR index (0 to 5) decodes. Switches the function's decoding off for a moment, so not while a driver
 * uses it. ERR_INVALID: no such BAR in this type of header, or the upper half of another; ERR_NOT_FOUND: it
 * is not implemented, or firmware gave it no address; ERR_MALFORMED: a 64-bit BAR without an upper half. */
int pci_bar(struct pci_address function, unsigned index, struct pci_bar *bar) MUST_CHECK;

/* Maps a memory BAR, uncached, and switches memory decoding on. As pci_bar(); ERR_UNSUPPORTED: it is an I/O
 * BAR; ERR_FORBIDDEN: firmware put it over memory; ERR_NOMEM. bytes may be NULL. */
int pci_bar_map(struct pci_address function, unsigned index, volatile void **registers, uint64_t *bytes)
    MUST_CHECK;

/* Lets a function issue DMA and MSIs, and the bridges above it pass them on; or stops the function (the
 * bridges stay as they are). Returns when the function has taken the change. ERR_NOT_FOUND; ERR_HARDWARE: the
 * command register does not keep it. */
int pci_bus_master_set(struct pci_address function, bool on) MUST_CHECK;

/* Stops every function and every bridge. Returns how many were on. */
unsigned pci_bus_master_off_all(void);
