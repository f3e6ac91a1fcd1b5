/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bits of VT-d second-stage entries mean (VT-d spec, section 9.8, "Second-Stage Paging Entries").
 * Accessed and dirty are ignored by units without ECAP.SSADS, or where the PASID entry lacks SSADE. */
#pragma once

#include "lib/pt/format.h"
#include "lib/pt/pt.h"

#define VTDSS_READ     (1ull << 0)
#define VTDSS_WRITE    (1ull << 1)
#define VTDSS_LARGE    (1ull << 7) /* a leaf at level 1 or 2 */
#define VTDSS_ACCESSED (1ull << 8) /* in table entries too */
#define VTDSS_DIRTY    (1ull << 9)
#define VTDSS_SNOOP    (1ull << 11) /* a leaf: DMA snoops; reserved without ECAP.SC */
#define VTDSS_ADDRESS  0x000ffffffffff000ull

_Static_assert(!((VTDSS_ADDRESS | (VTDSS_SNOOP * 2 - 1)) & PT_SOFT_BITS), "bits 52 to 61 are ignored");

static ALWAYS_INLINE uint64_t vtdss_table(uint64_t hpa)
{
    return hpa | VTDSS_READ | VTDSS_WRITE;
}

static ALWAYS_INLINE uint64_t vtdss_leaf(uint64_t hpa, unsigned level, unsigned prot)
{
    return hpa | VTDSS_READ | (prot & PT_WRITE ? VTDSS_WRITE : 0) | (prot & PT_SNOOP ? VTDSS_SNOOP : 0) |
           (level ? VTDSS_LARGE : 0);
}

static ALWAYS_INLINE unsigned vtdss_decode(uint64_t leaf)
{
    return (leaf & VTDSS_READ ? PT_READ : 0u) | (leaf & VTDSS_WRITE ? PT_WRITE : 0u) |
           (leaf & VTDSS_SNOOP ? PT_SNOOP : 0u);
}

/* All that a leaf can say. */
#define VTDSS_PROT (PT_READ | PT_WRITE | PT_SNOOP)

#define VTDSS_FORMAT                                                                                         \
    {                                                                                                        \
        .accessed = VTDSS_ACCESSED, .dirty = VTDSS_DIRTY, .present = VTDSS_READ | VTDSS_WRITE,               \
        .large = VTDSS_LARGE, .address = VTDSS_ADDRESS, .table = vtdss_table, .leaf = vtdss_leaf,            \
        .decode = vtdss_decode,                                                                              \
    }
