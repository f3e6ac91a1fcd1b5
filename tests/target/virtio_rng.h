/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio entropy device on PCI (virtio 1.2, sections 4.1 and 5.4): writes random bytes to memory, one
 * request at a time. Polled. It goes through the remapping unit if QEMU has iommu_platform=on, and has ATS
 * with ats=on behind a root port. */
#pragma once

#include "arch/devices/dma_memory.h"
#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdint.h>

#define VIRTIO_VENDOR 0x1af4
#define VIRTIO_RNG    0x1044

struct virtio_rng {
    struct pci_address function;
    struct iommu_domain *domain;
    volatile uint8_t *common; /* its registers, */
    volatile uint8_t *notify; /* and where it is told of requests */
    uint32_t notify_multiplier;
    struct dma_memory ring;
    uint16_t requests;
};

/* Attaches the function to domain, with its queue in the page at iova, and starts it. Any error leaves it
 * blocked. ERR_NOT_FOUND: it lacks registers that every such device has; ERR_UNSUPPORTED: it does not go
 * through a remapping unit; ERR_TIMEOUT, and as iommu_attach(), dma_memory_map(), pci_bar_map(). */
int virtio_rng_open(struct virtio_rng *rng, struct pci_address function, struct iommu_domain *domain,
                    uint64_t iova) MUST_CHECK;

/* Has it write up to bytes to memory at iova. 0: it says that it has, which QEMU's says of a request that
 * was blocked, too. ERR_TIMEOUT: it says nothing. */
int virtio_rng_read(struct virtio_rng *rng, uint64_t iova, uint32_t bytes) MUST_CHECK;

/* Stops and blocks it. Errors as iommu_detach() and dma_memory_unmap(). */
int virtio_rng_close(struct virtio_rng *rng) MUST_CHECK;
