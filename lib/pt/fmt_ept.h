/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bits of EPT entries mean (Intel SDM volume 3, section 29.3, "The Extended Page Table Mechanism").
 * Where the second stage of VT-d has a bit of the same meaning it is at the same place, so that one tree may
 * serve both. */
#pragma once

#include "lib/pt/fmt_vtdss.h"
#include "lib/pt/format.h"
#include "lib/pt/pt.h"

#define EPT_READ       (1ull << 0)
#define EPT_WRITE      (1ull << 1)
#define EPT_EXECUTE    (1ull << 2)
#define EPT_WRITE_BACK (6ull << 3) /* a leaf's memory type; 0 is uncached */
#define EPT_LARGE      (1ull << 7)
#define EPT_ACCESSED   (1ull << 8) /* kept where EPTP has bit 6 */
#define EPT_DIRTY      (1ull << 9)
#define EPT_ADDRESS    0x000ffffffffff000ull

_Static_assert(EPT_READ == VTDSS_READ && EPT_WRITE == VTDSS_WRITE, "permissions");
_Static_assert(EPT_LARGE == VTDSS_LARGE && EPT_ADDRESS == VTDSS_ADDRESS, "the shape of the tree");
_Static_assert(EPT_ACCESSED == VTDSS_ACCESSED && EPT_DIRTY == VTDSS_DIRTY, "what a harvest reads");
_Static_assert(!((EPT_ADDRESS | (EPT_DIRTY * 2 - 1)) & PT_SOFT_BITS), "bits 52 to 56 are ignored");

static ALWAYS_INLINE uint64_t ept_table(uint64_t hpa)
{
    return hpa | EPT_READ | EPT_WRITE | EPT_EXECUTE;
}

static ALWAYS_INLINE uint64_t ept_leaf(uint64_t hpa, unsigned level, unsigned prot)
{
    return hpa | EPT_READ | (prot & PT_WRITE ? EPT_WRITE : 0) | (prot & PT_NO_EXECUTE ? 0 : EPT_EXECUTE) |
           (prot & PT_UNCACHED ? 0 : EPT_WRITE_BACK) | (level ? EPT_LARGE : 0);
}

static ALWAYS_INLINE unsigned ept_decode(uint64_t leaf)
{
    return (leaf & EPT_READ ? PT_READ : 0u) | (leaf & EPT_WRITE ? PT_WRITE : 0u) |
           (leaf & EPT_EXECUTE ? 0u : PT_NO_EXECUTE) | (leaf & EPT_WRITE_BACK ? 0u : PT_UNCACHED);
}

/* All that a leaf can say. */
#define EPT_PROT (PT_READ | PT_WRITE | PT_NO_EXECUTE | PT_UNCACHED)

#define EPT_FORMAT                                                                                           \
    {                                                                                                        \
        .accessed = EPT_ACCESSED, .dirty = EPT_DIRTY, .present = EPT_READ | EPT_WRITE | EPT_EXECUTE,         \
        .large = EPT_LARGE, .address = EPT_ADDRESS, .table = ept_table, .leaf = ept_leaf,                    \
        .decode = ept_decode,                                                                                \
    }
