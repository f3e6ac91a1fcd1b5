/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that a driver shares with its device. */

#include "arch/devices/dma_memory.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"

int dma_memory_map(struct dma_memory *memory, struct iommu_domain *domain, uint64_t iova, unsigned order)
{
    uint64_t last = iova + (PAGE_SIZE << order) - 1;
    void *address = pages_alloc(order, PAGE_DMA);
    int error;

    *memory = (struct dma_memory){0};
    if (!address) {
        log_error("no %llu KiB for DMA", (PAGE_SIZE << order) / KIB);
        return ERR_NOMEM;
    }
    error = iommu_map(domain, iova, last, virt_to_phys(address), PT_READ | PT_WRITE);
    if (error) {
        pages_free(address);
        return error;
    }
    *memory = (struct dma_memory){domain, address, iova, last};
    return 0;
}

int dma_memory_unmap(struct dma_memory *memory)
{
    int error;

    if (!memory->address)
        return 0;
    error = iommu_unmap(memory->domain, memory->iova, memory->last, NULL);
    if (!error)
        pages_free(memory->address);
    memory->address = NULL;
    return error;
}

uint64_t dma_memory_iova(const struct dma_memory *memory, const void *address)
{
    return memory->iova + (uint64_t)((const char *)address - (const char *)memory->address);
}
