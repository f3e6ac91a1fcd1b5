/* SPDX-License-Identifier: BSD-2-Clause */
/* Invalidation descriptors of 256 bits, as they are put into a unit's queue (6.5.2). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vtd_descriptor {
    uint64_t word[4];
};

_Static_assert(sizeof(struct vtd_descriptor) == 32, "256 bits (6.5.2)");

#define VTD_DESCRIPTOR_TYPE(d)        ((unsigned)((d).word[0] & 0xf))
#define VTD_DESCRIPTOR_GRANULARITY(d) ((unsigned)((d).word[0] >> 4 & 3)) /* of types that have one */

enum vtd_descriptor_type {
    VTD_DESCRIPTOR_CONTEXT = 1,
    VTD_DESCRIPTOR_IOTLB = 2,
    VTD_DESCRIPTOR_DEVICE_TLB = 3,
    VTD_DESCRIPTOR_INTERRUPT = 4,
    VTD_DESCRIPTOR_WAIT = 5,
    VTD_DESCRIPTOR_PASID_IOTLB = 6,
    VTD_DESCRIPTOR_PASID_CACHE = 7,
    VTD_DESCRIPTOR_PASID_DEVICE_TLB = 8,
};

#define VTD_DESCRIPTOR_DID(did)     ((uint64_t)(did) << 16)
#define VTD_DESCRIPTOR_SID(sid)     ((uint64_t)(sid) << 32)
#define VTD_DESCRIPTOR_PASID(pasid) ((uint64_t)(pasid) << 32)
#define VTD_DESCRIPTOR_G(g)         ((uint64_t)(g) << 4)
#define VTD_DESCRIPTOR_DW           (1ull << 6)
#define VTD_DESCRIPTOR_DR           (1ull << 7)
#define VTD_DESCRIPTOR_IH           (1ull << 6) /* in word 1 */

/* Context cache (6.5.2.1), global and of one source-id. The domain id is that of the entry in legacy mode, 0
 * for what caching mode caches of entries that are not present; in scalable mode it is ignored. */
static inline struct vtd_descriptor vtd_descriptor_context_global(void)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_CONTEXT | VTD_DESCRIPTOR_G(1)}};
}

static inline struct vtd_descriptor vtd_descriptor_context_device(uint16_t did, uint16_t source_id)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_CONTEXT | VTD_DESCRIPTOR_G(3) | VTD_DESCRIPTOR_DID(did) |
                                    VTD_DESCRIPTOR_SID(source_id)}};
}

/* PASID cache (6.5.2.2), global, of a domain, and of one PASID in it. */
static inline struct vtd_descriptor vtd_descriptor_pasid_cache_global(void)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_PASID_CACHE | VTD_DESCRIPTOR_G(3)}};
}

static inline struct vtd_descriptor vtd_descriptor_pasid_cache_domain(uint16_t did)
{
    return (struct vtd_descriptor){
        {VTD_DESCRIPTOR_PASID_CACHE | VTD_DESCRIPTOR_G(0) | VTD_DESCRIPTOR_DID(did)}};
}

static inline struct vtd_descriptor vtd_descriptor_pasid_cache(uint16_t did, uint32_t pasid)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_PASID_CACHE | VTD_DESCRIPTOR_G(1) |
                                    VTD_DESCRIPTOR_DID(did) | VTD_DESCRIPTOR_PASID(pasid)}};
}

/* IOTLB (6.5.2.3), global and of a domain: first-stage translations and their table entries too; and 2^mask
 * pages from iova in second-stage translations of a domain, table entries too unless leaf_only (IH). All
 * drain DMA, on old units only if they are told so (DR, DW). */
static inline struct vtd_descriptor vtd_descriptor_iotlb_global(void)
{
    return (struct vtd_descriptor){
        {VTD_DESCRIPTOR_IOTLB | VTD_DESCRIPTOR_G(1) | VTD_DESCRIPTOR_DW | VTD_DESCRIPTOR_DR}};
}

static inline struct vtd_descriptor vtd_descriptor_iotlb_domain(uint16_t did)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_IOTLB | VTD_DESCRIPTOR_G(2) | VTD_DESCRIPTOR_DW |
                                    VTD_DESCRIPTOR_DR | VTD_DESCRIPTOR_DID(did)}};
}

static inline struct vtd_descriptor vtd_descriptor_iotlb(uint16_t did, uint64_t iova, unsigned mask,
                                                         bool leaf_only)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_IOTLB | VTD_DESCRIPTOR_G(3) | VTD_DESCRIPTOR_DW |
                                        VTD_DESCRIPTOR_DR | VTD_DESCRIPTOR_DID(did),
                                    iova | (leaf_only ? VTD_DESCRIPTOR_IH : 0) | mask}};
}

/* PASID-based IOTLB (6.5.2.4): all of a PASID; or 2^mask pages from iova, which is aligned to them, table
 * entries too unless leaf_only (IH). */
static inline struct vtd_descriptor vtd_descriptor_pasid_iotlb_all(uint16_t did, uint32_t pasid)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_PASID_IOTLB | VTD_DESCRIPTOR_G(2) |
                                    VTD_DESCRIPTOR_DID(did) | VTD_DESCRIPTOR_PASID(pasid)}};
}

static inline struct vtd_descriptor vtd_descriptor_pasid_iotlb(uint16_t did, uint32_t pasid, uint64_t iova,
                                                               unsigned mask, bool leaf_only)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_PASID_IOTLB | VTD_DESCRIPTOR_G(3) |
                                        VTD_DESCRIPTOR_DID(did) | VTD_DESCRIPTOR_PASID(pasid),
                                    iova | (leaf_only ? VTD_DESCRIPTOR_IH : 0) | mask}};
}

/* Whose TLB it is, and how many invalidations it takes in at a time (0: 32). */
struct vtd_tlb_owner {
    uint16_t source_id;
    uint16_t pfsid; /* of its physical function; 0 on units without ECAP.DIT */
    uint8_t pending_max;
};

/* 2^mask pages from iova, which is aligned to them, as an invalidate request of ATS says it: the lowest clear
 * bit of the address, from bit 12 up, tells the size, and S that it is more than a page (PCI
 * Express, 10.3.1). A mask of 52 is everything (6.5.3.3). */
#define VTD_DEVICE_TLB_ALL 52

static inline uint64_t vtd_device_tlb_range(uint64_t iova, unsigned mask, uint64_t s)
{
    return mask ? iova | ((1ull << (mask - 1)) - 1) << 12 | s : iova;
}

static inline uint64_t vtd_device_tlb_pfsid(uint16_t pfsid)
{
    return (uint64_t)(pfsid & 0xf) << 12 | (uint64_t)(pfsid >> 4) << 52;
}

/* A device's TLB: what its requests without PASID use (6.5.2.5), or those with this PASID (6.5.2.6). */
static inline struct vtd_descriptor vtd_descriptor_device_tlb(struct vtd_tlb_owner owner, uint64_t iova,
                                                              unsigned mask)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_DEVICE_TLB | vtd_device_tlb_pfsid(owner.pfsid) |
                                        (uint64_t)owner.pending_max << 16 |
                                        VTD_DESCRIPTOR_SID(owner.source_id),
                                    vtd_device_tlb_range(iova, mask, 1ull << 0)}};
}

static inline struct vtd_descriptor
vtd_descriptor_pasid_device_tlb(struct vtd_tlb_owner owner, uint32_t pasid, uint64_t iova, unsigned mask)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_PASID_DEVICE_TLB | vtd_device_tlb_pfsid(owner.pfsid) |
                                        (uint64_t)owner.pending_max << 4 | (uint64_t)owner.source_id << 16 |
                                        VTD_DESCRIPTOR_PASID(pasid),
                                    vtd_device_tlb_range(iova, mask, 1ull << 11)}};
}

/* The device that such a descriptor is for; false: it is of another type. */
static inline bool vtd_descriptor_owner(const struct vtd_descriptor *descriptor, uint16_t *source_id)
{
    unsigned type = VTD_DESCRIPTOR_TYPE(*descriptor);

    *source_id = (uint16_t)(descriptor->word[0] >> (type == VTD_DESCRIPTOR_DEVICE_TLB ? 32 : 16));
    return type == VTD_DESCRIPTOR_DEVICE_TLB || type == VTD_DESCRIPTOR_PASID_DEVICE_TLB;
}

/* Interrupt entry cache (6.5.2.7), global and of one index. Interrupts that went by what it drops are drained
 * before the next wait completes (6.5.5). */
static inline struct vtd_descriptor vtd_descriptor_interrupt_global(void)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_INTERRUPT | VTD_DESCRIPTOR_G(0)}};
}

static inline struct vtd_descriptor vtd_descriptor_interrupt(uint16_t index)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_INTERRUPT | VTD_DESCRIPTOR_G(1) | (uint64_t)index << 32}};
}

/* A wait that completes after all page requests before it are in their queue (PD, on units with ECAP.PDS),
 * and tells nobody. */
static inline struct vtd_descriptor vtd_descriptor_page_request_drain(void)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_WAIT | 1ull << 7}};
}

/* Wait (6.5.2.8): writes status to memory (SW) when what is ahead of it is complete. */
static inline struct vtd_descriptor vtd_descriptor_wait(uint64_t status_hpa, uint32_t status)
{
    return (struct vtd_descriptor){{VTD_DESCRIPTOR_WAIT | 1ull << 5 | (uint64_t)status << 32, status_hpa}};
}
