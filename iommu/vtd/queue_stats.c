/* SPDX-License-Identifier: BSD-2-Clause */
/* Which counter of a queue's statistics an invalidation, and a time, belongs to. */
#include "iommu/vtd/queue_stats.h"

static enum vtd_invalidation iotlb_kind(const struct vtd_descriptor *descriptor)
{
    static const uint8_t kinds[] = {VTD_INVALIDATION_OTHER, VTD_INVALIDATION_IOTLB_GLOBAL,
                                    VTD_INVALIDATION_IOTLB_DOMAIN, VTD_INVALIDATION_IOTLB_PAGE};

    return kinds[VTD_DESCRIPTOR_GRANULARITY(*descriptor)];
}

static enum vtd_invalidation pasid_iotlb_kind(const struct vtd_descriptor *descriptor)
{
    return VTD_DESCRIPTOR_GRANULARITY(*descriptor) == 3 ? VTD_INVALIDATION_PASID_IOTLB_PAGE
                                                        : VTD_INVALIDATION_PASID_IOTLB_ALL;
}

enum vtd_invalidation vtd_invalidation_of(const struct vtd_descriptor *descriptor)
{
    switch (VTD_DESCRIPTOR_TYPE(*descriptor)) {
    case VTD_DESCRIPTOR_CONTEXT:
        return VTD_INVALIDATION_CONTEXT;
    case VTD_DESCRIPTOR_IOTLB:
        return iotlb_kind(descriptor);
    case VTD_DESCRIPTOR_DEVICE_TLB:
    case VTD_DESCRIPTOR_PASID_DEVICE_TLB:
        return VTD_INVALIDATION_DEVICE_TLB;
    case VTD_DESCRIPTOR_INTERRUPT:
        return VTD_INVALIDATION_INTERRUPT;
    case VTD_DESCRIPTOR_WAIT:
        return VTD_INVALIDATION_WAIT;
    case VTD_DESCRIPTOR_PASID_IOTLB:
        return pasid_iotlb_kind(descriptor);
    case VTD_DESCRIPTOR_PASID_CACHE:
        return VTD_INVALIDATION_PASID_CACHE;
    default:
        return VTD_INVALIDATION_OTHER;
    }
}

const char *vtd_invalidation_name(enum vtd_invalidation kind)
{
    static const char *const names[VTD_INVALIDATIONS] = {
        [VTD_INVALIDATION_CONTEXT] = "context",
        [VTD_INVALIDATION_PASID_CACHE] = "pasid_cache",
        [VTD_INVALIDATION_IOTLB_GLOBAL] = "iotlb_global",
        [VTD_INVALIDATION_IOTLB_DOMAIN] = "iotlb_domain",
        [VTD_INVALIDATION_IOTLB_PAGE] = "iotlb_page",
        [VTD_INVALIDATION_PASID_IOTLB_ALL] = "pasid_iotlb_all",
        [VTD_INVALIDATION_PASID_IOTLB_PAGE] = "pasid_iotlb_page",
        [VTD_INVALIDATION_DEVICE_TLB] = "device_tlb",
        [VTD_INVALIDATION_INTERRUPT] = "interrupt",
        [VTD_INVALIDATION_WAIT] = "wait",
        [VTD_INVALIDATION_OTHER] = "other",
    };

    return names[kind];
}

unsigned vtd_latency_of(uint64_t ns)
{
    unsigned lg2 = ns ? 63 - (unsigned)__builtin_clzll(ns) : 0;

    return lg2 < VTD_LATENCIES ? lg2 : VTD_LATENCIES - 1;
}
