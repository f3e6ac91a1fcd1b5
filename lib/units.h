/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes of pages and memory, and alignment. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PAGE_LG2  12
#define PAGE_SIZE (1ull << PAGE_LG2)
#define KIB       (1ull << 10)
#define MIB       (1ull << 20)
#define GIB       (1ull << 30)

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* size must be a power of two in all three. */
static inline uint64_t align_down(uint64_t value, uint64_t size)
{
    return value & ~(size - 1);
}

static inline uint64_t align_up(uint64_t value, uint64_t size)
{
    return align_down(value + size - 1, size);
}

static inline bool is_aligned(uint64_t value, uint64_t size)
{
    return (value & (size - 1)) == 0;
}
