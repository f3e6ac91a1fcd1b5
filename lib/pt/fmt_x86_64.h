/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bits of x86 long-mode entries mean: VT-d first stage (VT-d spec, section 9.7, "First-Stage Paging
 * Entries") and AMD's nested paging (AMD64 manual volume 2, sections 5.3 and 15.25). Encode, decode and test
 * only. */
#pragma once

#include "lib/pt/pt.h"
#include <stdbool.h>
#include <stdint.h>

#define X86_64_PRESENT  (1ull << 0)
#define X86_64_WRITE    (1ull << 1)
#define X86_64_USER     (1ull << 2) /* DMA without PASID, and nested walks, are user accesses */
#define X86_64_ACCESSED (1ull << 5) /* in table entries too */
#define X86_64_DIRTY    (1ull << 6)
#define X86_64_LARGE    (1ull << 7) /* a leaf at level 1 or 2; the PAT bit at level 0, left 0 */
#define X86_64_ADDRESS  0x000ffffffffff000ull

/* A bit that hardware ignores: a table entry that has reached memory, where walks are not coherent. */
#define X86_64_SOFT_FLUSHED (1ull << 9)

static ALWAYS_INLINE uint64_t x86_64_table(uint64_t hpa)
{
    return hpa | X86_64_PRESENT | X86_64_WRITE | X86_64_USER;
}

static ALWAYS_INLINE uint64_t x86_64_leaf(uint64_t hpa, unsigned level, unsigned prot)
{
    return hpa | X86_64_PRESENT | X86_64_USER | (prot & PT_WRITE ? X86_64_WRITE : 0) |
           (level ? X86_64_LARGE : 0);
}

static ALWAYS_INLINE bool x86_64_is_present(uint64_t entry)
{
    return entry & X86_64_PRESENT;
}

static ALWAYS_INLINE bool x86_64_is_leaf(uint64_t entry, unsigned level)
{
    return (entry & X86_64_PRESENT) && (level == 0 || (entry & X86_64_LARGE));
}

/* Where a table entry or a leaf points. The attributes that this format lets a leaf have leave the address
 * bits clean. */
static ALWAYS_INLINE uint64_t x86_64_address(uint64_t entry)
{
    return entry & X86_64_ADDRESS;
}

static ALWAYS_INLINE unsigned x86_64_prot(uint64_t entry)
{
    return PT_READ | (entry & X86_64_WRITE ? PT_WRITE : 0u);
}
