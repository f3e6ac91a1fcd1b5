/* SPDX-License-Identifier: BSD-2-Clause */
/* An NVMe controller with its admin queue, polled: enough to ask it what it is. Nothing here changes the
 * drive.
 *
 * All that the controller is given lies in pages for DMA that are mapped in its domain. One CPU at a time. */
#pragma once

#include "arch/devices/dma_memory.h"
#include "arch/devices/nvme_queue.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include "lib/units.h"
#include <stdint.h>

/* The window: submission queue, completion queue, a page for data, and one that nothing uses. */
#define NVME_CONTROLLER_ORDER 2
#define NVME_CONTROLLER_BYTES (PAGE_SIZE << NVME_CONTROLLER_ORDER)

struct nvme_controller {
    struct pci_address function;
    struct iommu_domain *domain;
    volatile void *registers;
    uint64_t register_bytes;
    uint64_t cap;
    uint64_t ready_timeout_ns; /* for CSTS.RDY to follow CC.EN */
    uint64_t shutdown_timeout_ns;
    struct dma_memory memory;
    struct nvme_queue admin;
    uint8_t transfer_pages_lg2; /* in one command; 0: no limit */
    char model[NVME_ID_MODEL_BYTES + 1];
    char serial[NVME_ID_SERIAL_BYTES + 1];
};

/* Resets the controller while its DMA is blocked, attaches it to the domain, starts it, and asks who it is;
 * the window is [iova, iova + NVME_CONTROLLER_BYTES). When it fails nothing stays attached or mapped, as far
 * as the units confirm it. ERR_TIMEOUT, ERR_HARDWARE, ERR_UNSUPPORTED (what is missing is in the log), and as
 * pci_bar_map(), iommu_attach() and iommu_map(). */
int nvme_controller_open(struct nvme_controller *controller, struct pci_address function,
                         struct iommu_domain *domain, uint64_t iova) MUST_CHECK;

/* Shuts the controller down, stops its DMA, detaches it and frees the window. The first error, after
 * everything was tried. */
int nvme_controller_close(struct nvme_controller *controller) MUST_CHECK;

/* What a controller, or a namespace, says about itself, into the page at iova, which is mapped. As
 * nvme_queue_run(). */
int nvme_controller_identify(struct nvme_controller *controller, enum nvme_cns cns, uint32_t nsid,
                             uint64_t iova) MUST_CHECK;

/* The window's page for data, and where the device finds it. */
void *nvme_controller_data(const struct nvme_controller *controller);
uint64_t nvme_controller_data_iova(const struct nvme_controller *controller);

/* Has the controller fetch admin commands from another page, mapped at iova, or from the window's own again
 * (NULL). The controller is reset for it, so nothing may be under way, and I/O queues are gone. ERR_TIMEOUT,
 * ERR_HARDWARE: it did not come back. */
int nvme_controller_move_queue(struct nvme_controller *controller, void *commands, uint64_t iova) MUST_CHECK;
