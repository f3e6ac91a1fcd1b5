/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a PCI function is: segment, bus, device and function. VT-d calls bus and devfn together the
 * source-id. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pci_address {
    uint16_t segment;
    uint8_t bus;
    uint8_t devfn; /* device << 3 | function */
};

/* printf("%04x:%02x:%02x.%x", PCI_ARGS(address)) */
#define PCI_FORMAT        "%04x:%02x:%02x.%x"
#define PCI_ARGS(address) (address).segment, (address).bus, (address).devfn >> 3, (address).devfn & 7

static inline uint16_t pci_source_id(struct pci_address address)
{
    return (uint16_t)(address.bus << 8 | address.devfn);
}

static inline struct pci_address pci_address_from_source_id(uint16_t segment, uint16_t source_id)
{
    return (struct pci_address){segment, (uint8_t)(source_id >> 8), (uint8_t)source_id};
}

static inline bool pci_address_equal(struct pci_address a, struct pci_address b)
{
    return a.segment == b.segment && a.bus == b.bus && a.devfn == b.devfn;
}
