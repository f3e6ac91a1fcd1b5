/* SPDX-License-Identifier: BSD-2-Clause */
/* An NVMe controller as a source of DMA: it writes a page by Identify, and reads one by fetching a command
 * from it. Neither changes the drive. */
#pragma once

#include "arch/devices/nvme_controller.h"
#include "iommu/iommu.h"
#include "lib/pci_address.h"
#include <stdbool.h>

struct nvme_dma_source {
    struct iommu_dma_source source;
    struct nvme_controller controller;
    bool queue_moved; /* it fetches commands from a page under test */
};

/* Makes a source of this function; touches nothing. source.source is what iommu_self_test() takes. */
void nvme_dma_source_init(struct nvme_dma_source *source, struct pci_address function);
