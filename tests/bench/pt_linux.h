/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux's engine (drivers/iommu/generic_pt), as its IOMMU drivers configure and call it: included only where
 * its headers are, and a stand-in for its page allocator (shim_*). */
#pragma once

#ifdef __KERNEL__

#include <linux/generic_pt/common.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>

#include "tests/bench/pt_memory.h"
#include "tests/bench/pt_side.h"
#include <host.h>
#include <iommu-pages.h>

#define LINUX_SIZES_4K  (1ul << 12)
#define LINUX_SIZES_ALL (1ul << 12 | 1ul << 21 | 1ul << 30)

static union {
    struct iommu_domain domain;
    struct pt_iommu iommu;
    struct pt_iommu_vtdss vtdss;
    struct pt_iommu_x86_64 x86_64;
} tree;

static phys_addr_t (*iova_to_phys)(struct iommu_domain *domain, dma_addr_t iova);

/* The driver's iotlb_sync(), without the invalidation. */
static void sync_domain(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
    (void)domain;
    iommu_put_pages_list(&gather->freelist);
}

static const struct iommu_domain_ops domain_ops = {.iotlb_sync = sync_domain};

static int linux_init(enum bench_format format)
{
    struct pt_iommu_vtdss_cfg vtdss = {.top_level = 3};
    struct pt_iommu_x86_64_cfg x86_64 = {.top_level = 3};

    tree.iommu.nid = NUMA_NO_NODE;
    if (format == BENCH_VTDSS) {
        iova_to_phys = pt_iommu_vtdss_iova_to_phys;
        vtdss.common.hw_max_vasz_lg2 = 48;
        vtdss.common.hw_max_oasz_lg2 = 52;
        vtdss.common.features = BIT(PT_FEAT_FLUSH_RANGE);
        return pt_iommu_vtdss_init(&tree.vtdss, &vtdss, GFP_KERNEL);
    }
    iova_to_phys = pt_iommu_x86_64_iova_to_phys;
    x86_64.common.hw_max_vasz_lg2 = 48;
    x86_64.common.hw_max_oasz_lg2 = 52;
    x86_64.common.features = BIT(PT_FEAT_SIGN_EXTEND) | BIT(PT_FEAT_FLUSH_RANGE);
    return pt_iommu_x86_64_init(&tree.x86_64, &x86_64, GFP_KERNEL);
}

static bool api_make(enum bench_format format, bool large)
{
    if (format == BENCH_EPT)
        return false;
    if (!shim_arena) {
        shim_arena_pages = bench_table_pages();
        shim_arena = bench_memory(shim_arena_pages << 12);
        shim_memmap = bench_memory(shim_arena_pages * sizeof(struct page));
    }
    memset(&tree, 0, sizeof tree);
    if (linux_init(format))
        bench_fail("Linux's engine cannot make a tree");
    tree.domain.ops = &domain_ops;
    tree.domain.pgsize_bitmap = large ? LINUX_SIZES_ALL : LINUX_SIZES_4K;
    return true;
}

static void api_destroy(void)
{
    pt_iommu_deinit(&tree.iommu);
}

static inline void api_map(uint64_t iova, uint64_t bytes, uint64_t hpa)
{
    size_t mapped = 0;

    if (tree.iommu.ops->map_range(&tree.iommu, iova, hpa, bytes, IOMMU_READ | IOMMU_WRITE, GFP_KERNEL,
                                  &mapped) ||
        mapped != bytes)
        bench_fail("Linux's engine cannot map");
}

static inline void api_unmap(uint64_t iova, uint64_t bytes)
{
    struct iommu_iotlb_gather gather;

    iommu_iotlb_gather_init(&gather);
    if (tree.iommu.ops->unmap_range(&tree.iommu, iova, bytes, &gather) != bytes)
        bench_fail("Linux's engine cannot unmap");
    iommu_iotlb_sync(&tree.domain, &gather);
}

static inline void api_finish(void)
{
}

static inline uint64_t api_lookup(uint64_t iova)
{
    uint64_t hpa = iova_to_phys(&tree.domain, iova);

    return hpa ? hpa : BENCH_NO_HPA;
}

/* Its second stage only: it keeps no dirty bits in the other format. The bitmap is the peers' own, and the
 * cheapest that there can be. */
static inline void api_harvest(uint64_t iova, uint64_t bytes, uint64_t *words, unsigned flags)
{
    struct iova_bitmap bitmap = {.map = (u64 *)words};
    struct iommu_iotlb_gather gather;
    struct iommu_dirty_bitmap dirty;

    iommu_dirty_bitmap_init(&dirty, &bitmap, &gather);
    if (pt_iommu_vtdss_read_and_clear_dirty(&tree.domain, iova, bytes,
                                            flags & BENCH_KEEP ? IOMMU_DIRTY_NO_CLEAR : 0, &dirty))
        bench_fail("Linux's engine cannot read dirty bits");
    if (!(flags & BENCH_KEEP))
        iommu_iotlb_sync(&tree.domain, &gather);
}

static inline uint64_t *api_root(void)
{
    return (uint64_t *)(tree.vtdss.vtdss_pt.common.top_of_table & ~7ul);
}

/* The peers' stand-in for memory is where it says it is. */
static inline uint64_t *api_table(uint64_t hpa)
{
    return (uint64_t *)hpa;
}

/* Its warnings end here. */
void host_die(const char *format, ...)
{
    bench_fail(format);
}

#endif
