/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's addresses, and the memory behind its tracked range. */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/units.h"
#include <stdint.h>

/* What devices write and harvests read: a gigabyte of 4 KiB leaves. Its neighbours, mapped and unmapped
 * meanwhile, are the two gigabytes above: other tables, below the same upper tables. Queues and PRP lists lie
 * far below. */
#define DEMO_IOVA           (4 * GIB)
#define DEMO_BYTES          GIB
#define DEMO_LAST           (DEMO_IOVA + DEMO_BYTES - 1)
#define DEMO_PAGES          ((uint32_t)(DEMO_BYTES / PAGE_SIZE))
#define DEMO_NEIGHBOUR_IOVA (DEMO_IOVA + DEMO_BYTES)
#define DEMO_NEIGHBOURS     2u /* gigabytes */
#define DEMO_HARVEST_LAST   (DEMO_NEIGHBOUR_IOVA + DEMO_NEIGHBOURS * GIB - 1)
#define DEMO_HARVEST_PAGES  ((1 + DEMO_NEIGHBOURS) * DEMO_PAGES)
#define DEMO_NVME_IOVA      (256 * MIB)
#define DEMO_SCRATCH_IOVA   (512 * MIB)

#define DEMO_BLOCK_ORDER 9
#define DEMO_BLOCK_BYTES (PAGE_SIZE << DEMO_BLOCK_ORDER)

struct demo_pool {
    struct list blocks; /* struct page of each block of 2 MiB */
    unsigned block_count;
};

/* Maps [iova, iova + 2 MiB) to the block at hpa as 4 KiB leaves. Errors as iommu_map(). */
int demo_map_small(struct iommu_domain *domain, uint64_t iova, uint64_t hpa) MUST_CHECK;

void demo_pool_init(struct demo_pool *pool);

/* Maps the whole range. What is tracked is the IOVA; where there is not a gigabyte to spare, several IOVAs
 * share a page of memory. ERR_NOMEM, and as iommu_map(); demo_pool_unmap() is due also then. */
int demo_pool_map(struct demo_pool *pool, struct iommu_domain *domain) MUST_CHECK;

/* Unmaps the range and frees its memory. As iommu_unmap(); the memory is then kept. */
int demo_pool_unmap(struct demo_pool *pool, struct iommu_domain *domain) MUST_CHECK;
