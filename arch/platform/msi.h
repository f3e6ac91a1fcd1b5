/* SPDX-License-Identifier: BSD-2-Clause */
/* Message-signalled interrupts of PCI functions: MSI-X where a function has it, else MSI with one message
 * (PCI 3.0, section 6.8). They go through interrupt remapping where it is on. */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stdint.h>

struct msi {
    struct pci_address function;
    unsigned capability;    /* its offset */
    volatile char *message; /* MSI-X: the entry of the function's table; NULL: it is an MSI */
    struct iommu_interrupt interrupt;
    uint8_t vector;
};

/* Lets a function raise interrupt number entry (of an MSI: 0), which calls handler(context) on a CPU with
 * interrupts off; the handler opens no RCU read section. Where the function has MSI-X that is used, and its
 * decoding is off for a moment: before its driver uses it. One CPU at a time for a function. ERR_UNSUPPORTED:
 * the function has neither; ERR_RANGE: fewer entries; ERR_NOMEM: no vector is left; and as pci_bar_map() and
 * iommu_interrupt_alloc(). Then nothing is left. */
int msi_open(struct msi *msi, struct pci_address function, unsigned entry, unsigned cpu,
             void (*handler)(void *context), void *context) MUST_CHECK;

/* Moves it to another CPU while it may come. As iommu_interrupt_change(). */
int msi_move(struct msi *msi, unsigned cpu) MUST_CHECK;

/* Tells the function not to raise it any more and takes it back. On the CPU that it goes to, interrupts on,
 * so that none of it is pending there when this has returned; the handler may be called until then. As
 * iommu_interrupt_free(). */
int msi_close(struct msi *msi) MUST_CHECK;

/* What the function's registers are to hold instead, as a driver of its own could write there: for tests of
 * what then happens. */
void msi_write(const struct msi *msi, uint64_t address, uint32_t data);

/* Under which requester ids a function's messages arrive: its own, or what bridges above make of it (VT-d,
 * section 5.1.1). */
struct iommu_interrupt_source msi_source(struct pci_address function);
