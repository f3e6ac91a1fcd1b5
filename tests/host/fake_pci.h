/* SPDX-License-Identifier: BSD-2-Clause */
/* Made-up PCI functions: their configuration space, behind platform_pci_read32() and its like. */
#pragma once

#include "lib/pci_address.h"
#include <stdbool.h>
#include <stdint.h>

#define FAKE_EXPRESS 0x40u /* where a function has its PCI Express capability, if it has one */
#define FAKE_ACS     0x100u
#define FAKE_FOREVER ~0u

struct fake_function {
    struct pci_address address;
    uint8_t space[4096];
    uint32_t bar_bits[6];   /* that can be written */
    unsigned pending_reads; /* of the device status that still show transactions pending; FAKE_FOREVER */
    bool master_is_fixed;   /* bus mastering stays as it is */
    bool any_device;        /* answers to every device number of its bus */
    /* Called after each write, for what a function does then; NULL. */
    void (*written)(struct fake_function *function, unsigned offset, unsigned bytes);
    void *context; /* the test's */
};

/* No function is there any more; sets the host's PCI. */
void fake_pci_install(void);

/* A function of vendor 0x8086 in segment 0; it stays until fake_pci_install(). */
struct fake_function *fake_pci_add(uint8_t bus, unsigned device, unsigned number, uint16_t id);

/* A conventional bridge (until fake_pci_make_express()). */
struct fake_function *fake_pci_add_bridge(uint8_t bus, unsigned device, uint8_t secondary,
                                          uint8_t subordinate);

/* Gives it a PCI Express capability, version 2, with this type of port: 0 endpoint, 4 root port, 5 upstream
 * and 6 downstream port of a switch, 7 bridge to PCI, 8 bridge from PCI, 9 integrated endpoint. */
void fake_pci_make_express(struct fake_function *function, unsigned type);

/* Gives one that is PCI Express an ACS capability with these features, all of them off. */
void fake_pci_make_acs(struct fake_function *function, uint16_t features);

struct fake_function *fake_pci_find(struct pci_address address);

void fake_pci_put32(struct fake_function *function, unsigned offset, uint32_t value);
uint32_t fake_pci_get32(const struct fake_function *function, unsigned offset);
