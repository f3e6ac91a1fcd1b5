/* SPDX-License-Identifier: BSD-2-Clause */
/* QEMU's edu device (docs/specs/edu.rst there): DMA between memory and a buffer of 4 KiB inside the device,
 * one transfer at a time, some 100 ms each. Polled. Start QEMU with -device edu,dma_mask=0xffffffffffffffff:
 * by default addresses are cut to 28 bits, and edu_check_mask() refuses it.
 *
 * The device does not say whether a transfer was refused: it is over either way. One CPU at a time uses it.
 */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stdint.h>

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8

struct edu {
    struct pci_address function;
    volatile void *registers;
};

/* Finds the nth edu (from 0), checks that it lives, and lets it issue DMA; what that reaches is its domain's
 * business, in which the caller puts it. ERR_NOT_FOUND: there is none; ERR_HARDWARE, ERR_TIMEOUT: it does not
 * compute; and as pci_bar_map(). */
int edu_open(struct edu *edu, unsigned nth) MUST_CHECK;

/* Moves it into a domain, after which it may issue DMA again, whether it was stopped by that or not. As
 * iommu_attach() and pci_bus_master_set(); it is not in the domain then. */
int edu_attach(struct edu *edu, struct iommu_domain *domain) MUST_CHECK;

/* Whether the device uses all bits of an address, which it does not tell. It has to be in domain, where
 * nothing is mapped yet. ERR_UNSUPPORTED: it cuts them (the log says what to do); and as iommu_map(),
 * iommu_unmap() and edu_write(). */
int edu_check_mask(struct edu *edu, struct iommu_domain *domain) MUST_CHECK;

/* Waits for a transfer's end and stops the device's DMA. ERR_TIMEOUT, and as pci_bus_master_set(). */
int edu_close(struct edu *edu) MUST_CHECK;

/* Begins a transfer of bytes (1 to 4096): of the buffer to memory at iova, or back. ERR_BUSY: the last one is
 * not over. */
int edu_write_start(struct edu *edu, uint64_t iova, uint32_t bytes) MUST_CHECK;
int edu_read_start(struct edu *edu, uint64_t iova, uint32_t bytes) MUST_CHECK;

/* Raises an interrupt: by an MSI if that is on, else by a level that lasts until edu_acknowledge(). */
void edu_raise(struct edu *edu);
void edu_acknowledge(struct edu *edu);

bool edu_busy(const struct edu *edu);

/* Writes the buffer's first bytes to memory at iova, or fills them from there, and waits for the end; runs
 * events meanwhile. ERR_BUSY, ERR_TIMEOUT. */
int edu_write(struct edu *edu, uint64_t iova, uint32_t bytes) MUST_CHECK;
int edu_read(struct edu *edu, uint64_t iova, uint32_t bytes) MUST_CHECK;
