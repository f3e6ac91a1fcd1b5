/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptors of the invalidation queue as the VT-d specification, revision 4.1, defines them (6.5.2).
 * Written from the specification alone, apart from the driver's own constants. Word 0 is bits 63:0. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* 6.5.2: the type is bits 11:9 and 3:0 together. */
#define SPEC_DESCRIPTOR_TYPE(word0) ((unsigned)(((word0) >> 5 & 0x70) | ((word0)&0xf)))

enum spec_descriptor {
    SPEC_DESCRIPTOR_CONTEXT = 1,      /* 6.5.2.1 cc_inv_dsc */
    SPEC_DESCRIPTOR_IOTLB = 2,        /* 6.5.2.3 iotlb_inv_dsc */
    SPEC_DESCRIPTOR_DEVICE = 3,       /* 6.5.2.5 dev_tlb_inv_dsc */
    SPEC_DESCRIPTOR_INTERRUPT = 4,    /* 6.5.2.7 iec_inv_dsc */
    SPEC_DESCRIPTOR_WAIT = 5,         /* 6.5.2.8 inv_wait_dsc */
    SPEC_DESCRIPTOR_PASID_IOTLB = 6,  /* 6.5.2.4 p_iotlb_inv_dsc */
    SPEC_DESCRIPTOR_PASID_CACHE = 7,  /* 6.5.2.2 pc_inv_dsc */
    SPEC_DESCRIPTOR_PASID_DEVICE = 8, /* 6.5.2.6 p_dev_tlb_inv_dsc */
    SPEC_DESCRIPTORS
};

/* 6.5.2.10, table of valid types: 256-bit queues only, and only in scalable and abort-DMA mode. */
static inline bool spec_descriptor_is_wide(unsigned type)
{
    return type >= SPEC_DESCRIPTOR_PASID_IOTLB;
}

/* Fields that several types have at the same place. */
#define SPEC_DESCRIPTOR_G(word0)     ((unsigned)((word0) >> 4 & 3))
#define SPEC_DESCRIPTOR_DID(word0)   ((uint16_t)((word0) >> 16))
#define SPEC_DESCRIPTOR_PASID(word0) ((uint32_t)((word0) >> 32 & 0xfffff))
#define SPEC_DESCRIPTOR_AM(word1)    ((unsigned)((word1)&0x3f))
#define SPEC_DESCRIPTOR_IH           (1ull << 6) /* word 1 */
#define SPEC_DESCRIPTOR_ADDRESS      0xfffffffffffff000ull

#define SPEC_DESCRIPTOR_WITH_G(g)         ((uint64_t)(g) << 4)
#define SPEC_DESCRIPTOR_WITH_DID(did)     ((uint64_t)(did) << 16)
#define SPEC_DESCRIPTOR_WITH_PASID(pasid) ((uint64_t)(pasid) << 32)

/* 6.5.2.1, granularity as in 11.4.6.1. FM: how many of the function's bits of the source-id do not count,
 * from bit 2 down. */
#define SPEC_CONTEXT_GLOBAL        1
#define SPEC_CONTEXT_DOMAIN        2
#define SPEC_CONTEXT_DEVICE        3
#define SPEC_CONTEXT_SID(word0)    ((uint16_t)((word0) >> 32))
#define SPEC_CONTEXT_WITH_SID(sid) ((uint64_t)(sid) << 32)
#define SPEC_CONTEXT_FM(word0)     ((unsigned)((word0) >> 48 & 3))
#define SPEC_CONTEXT_WITH_FM(fm)   ((uint64_t)(fm) << 48)
#define SPEC_CONTEXT_RESERVED      0xfffc00000000f1c0ull

/* 6.5.2.2 */
#define SPEC_PASID_CACHE_DOMAIN   0
#define SPEC_PASID_CACHE_PASID    1
#define SPEC_PASID_CACHE_GLOBAL   3
#define SPEC_PASID_CACHE_RESERVED 0xfff000000000f1c0ull

/* 6.5.2.3, granularity as in 11.4.6.2 */
#define SPEC_IOTLB_GLOBAL     1
#define SPEC_IOTLB_DOMAIN     2
#define SPEC_IOTLB_PAGE       3
#define SPEC_IOTLB_DW         (1ull << 6)
#define SPEC_IOTLB_DR         (1ull << 7)
#define SPEC_IOTLB_RESERVED   0xffffffff0000f100ull
#define SPEC_IOTLB_RESERVED_1 0xf80ull

/* 6.5.2.4 */
#define SPEC_PASID_IOTLB_ALL        2
#define SPEC_PASID_IOTLB_PAGE       3
#define SPEC_PASID_IOTLB_RESERVED   0xfff000000000f1c0ull
#define SPEC_PASID_IOTLB_RESERVED_1 0xf80ull

/* 6.5.2.5. PFSID is reserved without ECAP.DIT. */
#define SPEC_DEVICE_SID(word0)    ((uint16_t)((word0) >> 32))
#define SPEC_DEVICE_WITH_SID(sid) ((uint64_t)(sid) << 32)
#define SPEC_DEVICE_S             (1ull << 0) /* word 1 */
#define SPEC_DEVICE_PFSID_BITS    0xfff000000000f000ull
#define SPEC_DEVICE_RESERVED      0x000f0000ffe001f0ull
#define SPEC_DEVICE_RESERVED_1    0xffeull

/* 6.5.2.6 */
#define SPEC_PASID_DEVICE_SID(word0)    ((uint16_t)((word0) >> 16))
#define SPEC_PASID_DEVICE_WITH_SID(sid) ((uint64_t)(sid) << 16)
#define SPEC_PASID_DEVICE_GI            (1ull << 0)  /* word 1: of all PASIDs */
#define SPEC_PASID_DEVICE_S             (1ull << 11) /* word 1 */
#define SPEC_PASID_DEVICE_RESERVED_1    0x7feull

/* 6.5.2.7: IM low bits of the index do not count. */
#define SPEC_INTERRUPT_SELECTIVE     (1ull << 4)
#define SPEC_INTERRUPT_IM(word0)     ((unsigned)((word0) >> 27 & 0x1f))
#define SPEC_INTERRUPT_WITH_IM(im)   ((uint64_t)(im) << 27)
#define SPEC_INTERRUPT_INDEX(word0)  ((uint16_t)((word0) >> 32))
#define SPEC_INTERRUPT_WITH_INDEX(i) ((uint64_t)(i) << 32)
#define SPEC_INTERRUPT_RESERVED      0xffff000007fff1e0ull

/* 6.5.2.8. PD is reserved without ECAP.PDS. */
#define SPEC_WAIT_IF                (1ull << 4)
#define SPEC_WAIT_SW                (1ull << 5)
#define SPEC_WAIT_FN                (1ull << 6)
#define SPEC_WAIT_PD                (1ull << 7)
#define SPEC_WAIT_STATUS(word0)     ((uint32_t)((word0) >> 32))
#define SPEC_WAIT_WITH_STATUS(data) ((uint64_t)(data) << 32)
#define SPEC_WAIT_RESERVED          0xfffff100ull
#define SPEC_WAIT_RESERVED_1        3ull

/* 11.4.9.9 IQERCD.IQEI: what was wrong, for those who ask. */
enum spec_queue_error {
    SPEC_IQEI_UNKNOWN = 0, /* units of older versions do not tell */
    SPEC_IQEI_TAIL = 1,
    SPEC_IQEI_FETCH = 2,
    SPEC_IQEI_TYPE = 3,
    SPEC_IQEI_RESERVED = 4,
    SPEC_IQEI_WIDTH = 5,
    SPEC_IQEI_ALIGNMENT = 6,
    SPEC_IQEI_TTM = 7,
};

/* PCI Express ATS, invalidate request (10.3.1): with S set the lowest clear bit of the address, counted from
 * bit 12, tells the size: bit 12 clear is 2 pages. All of them set is everything. */
static inline unsigned spec_ats_range_lg2(uint64_t word1, bool s)
{
    uint64_t clear = ~(word1 >> 12) & ((1ull << 52) - 1);

    if (!s)
        return 12;
    return clear ? 13 + (unsigned)__builtin_ctzll(clear) : 64;
}
