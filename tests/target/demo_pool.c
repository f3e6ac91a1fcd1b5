/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory behind the demo's tracked range. */

#include "tests/target/demo_pool.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"

/* Turned round by one page within the block, IOVA and HPA never have the same alignment, so no larger leaf
 * fits. */
int demo_map_small(struct iommu_domain *domain, uint64_t iova, uint64_t hpa)
{
    uint64_t last_page = iova + DEMO_BLOCK_BYTES - PAGE_SIZE;
    int error = iommu_map(domain, iova, last_page - 1, hpa + PAGE_SIZE, PT_READ | PT_WRITE);

    return error ? error : iommu_map(domain, last_page, last_page + PAGE_SIZE - 1, hpa, PT_READ | PT_WRITE);
}

void demo_pool_init(struct demo_pool *pool)
{
    list_init(&pool->blocks);
    pool->block_count = 0;
}

/* Leaves a quarter of what is free to the rest of the hypervisor. */
static int fill(struct demo_pool *pool)
{
    struct page_alloc_stats stats;
    uint64_t blocks;

    page_alloc_stats(&stats);
    blocks = stats.free_pages / 4 * 3 >> DEMO_BLOCK_ORDER;
    if (blocks > DEMO_BYTES / DEMO_BLOCK_BYTES)
        blocks = DEMO_BYTES / DEMO_BLOCK_BYTES;
    while (pool->block_count < blocks) {
        void *block = pages_alloc(DEMO_BLOCK_ORDER, PAGE_DMA);

        if (!block)
            break;
        list_append(&pool->blocks, &page_of(block)->link);
        pool->block_count++;
    }
    if (pool->block_count)
        return 0;
    log_error("demo: not even 2 MiB of memory for DMA");
    return ERR_NOMEM;
}

int demo_pool_map(struct demo_pool *pool, struct iommu_domain *domain)
{
    struct list *block;
    int error;

    error = fill(pool);
    block = &pool->blocks;
    for (uint64_t iova = DEMO_IOVA; !error && iova <= DEMO_LAST; iova += DEMO_BLOCK_BYTES) {
        block = block->next;
        if (block == &pool->blocks)
            block = block->next;
        error = demo_map_small(domain, iova, list_entry(block, struct page, link)->hpa);
    }
    return error;
}

int demo_pool_unmap(struct demo_pool *pool, struct iommu_domain *domain)
{
    int error = iommu_unmap(domain, DEMO_IOVA, DEMO_LAST, NULL);

    if (error)
        return error;
    list_for_each_safe (node, &pool->blocks) {
        list_remove(node);
        pages_free(page_address(list_entry(node, struct page, link)));
    }
    return 0;
}
