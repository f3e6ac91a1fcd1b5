/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that a driver shares with its device: pages for DMA, mapped in the device's domain. */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"
#include <stdint.h>

struct dma_memory {
    struct iommu_domain *domain;
    void *address; /* NULL: there is none */
    uint64_t iova;
    uint64_t last;
};

/* Allocates 2^order zeroed pages and maps them at iova for reading and writing. Errors as iommu_map(), and
 * ERR_NOMEM. */
int dma_memory_map(struct dma_memory *memory, struct iommu_domain *domain, uint64_t iova, unsigned order)
    MUST_CHECK;

/* Unmaps and frees it; nothing to do where there is none. An error of iommu_unmap() means that the device may
 * reach the pages still: they are not freed. */
int dma_memory_unmap(struct dma_memory *memory) MUST_CHECK;

/* Where a device finds what the CPU has at address, which lies inside of memory. */
uint64_t dma_memory_iova(const struct dma_memory *memory, const void *address);
