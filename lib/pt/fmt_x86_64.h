/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bits of x86 long-mode entries mean: VT-d first stage (VT-d spec, section 9.7, "First-Stage Paging
 * Entries") and AMD's nested paging (AMD64 manual volume 2, sections 5.3 and 15.25). Encode, decode and test
 * only. */
#pragma once

#include "lib/pt/format.h"
#include "lib/pt/pt.h"

#define X86_64_PRESENT    (1ull << 0)
#define X86_64_WRITE      (1ull << 1)
#define X86_64_USER       (1ull << 2) /* DMA without PASID, and nested walks, are user accesses */
#define X86_64_UNCACHED   (3ull << 3) /* PCD and PWT: PAT entry 3, as it is after reset */
#define X86_64_ACCESSED   (1ull << 5) /* in table entries too */
#define X86_64_DIRTY      (1ull << 6)
#define X86_64_LARGE      (1ull << 7) /* a leaf at level 1 or 2; the PAT bit at level 0, left 0 */
#define X86_64_ADDRESS    0x000ffffffffff000ull
#define X86_64_NO_EXECUTE (1ull << 63) /* reserved for DMA unless the PASID entry has NXE */

_Static_assert(!((X86_64_ADDRESS | X86_64_NO_EXECUTE | (X86_64_LARGE * 2 - 1)) & PT_SOFT_BITS),
               "bits 52 to 58 are ignored");

static ALWAYS_INLINE uint64_t x86_64_table(uint64_t hpa)
{
    return hpa | X86_64_PRESENT | X86_64_WRITE | X86_64_USER;
}

static ALWAYS_INLINE uint64_t x86_64_leaf(uint64_t hpa, unsigned level, unsigned prot)
{
    return hpa | X86_64_PRESENT | X86_64_USER | (prot & PT_WRITE ? X86_64_WRITE : 0) |
           (prot & PT_UNCACHED ? X86_64_UNCACHED : 0) | (prot & PT_NO_EXECUTE ? X86_64_NO_EXECUTE : 0) |
           (level ? X86_64_LARGE : 0);
}

static ALWAYS_INLINE unsigned x86_64_decode(uint64_t leaf)
{
    return PT_READ | (leaf & X86_64_WRITE ? PT_WRITE : 0u) |
           ((leaf & X86_64_UNCACHED) == X86_64_UNCACHED ? PT_UNCACHED : 0u) |
           (leaf & X86_64_NO_EXECUTE ? PT_NO_EXECUTE : 0u);
}

/* All that a leaf can say. */
#define X86_64_PROT (PT_READ | PT_WRITE | PT_NO_EXECUTE | PT_UNCACHED)

#define X86_64_FORMAT                                                                                        \
    {                                                                                                        \
        .accessed = X86_64_ACCESSED, .dirty = X86_64_DIRTY, .present = X86_64_PRESENT,                       \
        .large = X86_64_LARGE, .address = X86_64_ADDRESS, .table = x86_64_table, .leaf = x86_64_leaf,        \
        .decode = x86_64_decode,                                                                             \
    }
