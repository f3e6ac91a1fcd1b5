/* SPDX-License-Identifier: BSD-2-Clause */
/* Which counter of a queue's statistics an invalidation, and a time, belongs to. */
#include "iommu/vtd/queue_stats.h"
#include <stddef.h>

static enum iommu_invalidation iotlb_kind(const struct vtd_descriptor *descriptor)
{
    static const uint8_t kinds[] = {IOMMU_INVALIDATION_OTHER, IOMMU_INVALIDATION_IOTLB_GLOBAL,
                                    IOMMU_INVALIDATION_IOTLB_DOMAIN, IOMMU_INVALIDATION_IOTLB_PAGE};

    return kinds[VTD_DESCRIPTOR_GRANULARITY(*descriptor)];
}

static enum iommu_invalidation pasid_iotlb_kind(const struct vtd_descriptor *descriptor)
{
    return VTD_DESCRIPTOR_GRANULARITY(*descriptor) == 3 ? IOMMU_INVALIDATION_PASID_IOTLB_PAGE
                                                        : IOMMU_INVALIDATION_PASID_IOTLB_ALL;
}

enum iommu_invalidation vtd_invalidation_of(const struct vtd_descriptor *descriptor)
{
    switch (VTD_DESCRIPTOR_TYPE(*descriptor)) {
    case VTD_DESCRIPTOR_CONTEXT:
        return IOMMU_INVALIDATION_CONTEXT;
    case VTD_DESCRIPTOR_IOTLB:
        return iotlb_kind(descriptor);
    case VTD_DESCRIPTOR_DEVICE_TLB:
    case VTD_DESCRIPTOR_PASID_DEVICE_TLB:
        return IOMMU_INVALIDATION_DEVICE_TLB;
    case VTD_DESCRIPTOR_INTERRUPT:
        return IOMMU_INVALIDATION_INTERRUPT;
    case VTD_DESCRIPTOR_WAIT:
        return IOMMU_INVALIDATION_WAIT;
    case VTD_DESCRIPTOR_PASID_IOTLB:
        return pasid_iotlb_kind(descriptor);
    case VTD_DESCRIPTOR_PASID_CACHE:
        return IOMMU_INVALIDATION_PASID_CACHE;
    default:
        return IOMMU_INVALIDATION_OTHER;
    }
}

const char *iommu_invalidation_name(enum iommu_invalidation kind)
{
    static const char *const names[IOMMU_INVALIDATIONS] = {
        [IOMMU_INVALIDATION_CONTEXT] = "context",
        [IOMMU_INVALIDATION_PASID_CACHE] = "pasid_cache",
        [IOMMU_INVALIDATION_IOTLB_GLOBAL] = "iotlb_global",
        [IOMMU_INVALIDATION_IOTLB_DOMAIN] = "iotlb_domain",
        [IOMMU_INVALIDATION_IOTLB_PAGE] = "iotlb_page",
        [IOMMU_INVALIDATION_PASID_IOTLB_ALL] = "pasid_iotlb_all",
        [IOMMU_INVALIDATION_PASID_IOTLB_PAGE] = "pasid_iotlb_page",
        [IOMMU_INVALIDATION_DEVICE_TLB] = "device_tlb",
        [IOMMU_INVALIDATION_INTERRUPT] = "interrupt",
        [IOMMU_INVALIDATION_WAIT] = "wait",
        [IOMMU_INVALIDATION_OTHER] = "other",
    };

    return kind < IOMMU_INVALIDATIONS ? names[kind] : NULL;
}

unsigned vtd_latency_of(uint64_t ns)
{
    unsigned lg2 = ns ? 63 - (unsigned)__builtin_clzll(ns) : 0;

    return lg2 < IOMMU_LATENCIES ? lg2 : IOMMU_LATENCIES - 1;
}
