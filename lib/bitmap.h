/* SPDX-License-Identifier: BSD-2-Clause */
/* Bitmaps of 64-bit words: bit n is bit n % 64 of word n / 64, as KVM and iommufd have them. */
#pragma once

#include "lib/atomic.h"
#include <stdbool.h>
#include <stdint.h>

static inline uint64_t bitmap_words(uint64_t bits)
{
    return (bits + 63) / 64;
}

static inline bool bitmap_test(const uint64_t *words, uint64_t bit)
{
    return atomic_read(&words[bit / 64]) >> (bit % 64) & 1;
}

static inline void bitmap_set(uint64_t *words, uint64_t bit)
{
    atomic_fetch_or(&words[bit / 64], 1ull << (bit % 64));
}

static inline void bitmap_clear(uint64_t *words, uint64_t bit)
{
    atomic_fetch_and(&words[bit / 64], ~(1ull << (bit % 64)));
}

/* How many bits of a word are set; the compiler's own would be a call into its library. */
static inline unsigned bitmap_count_word(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555;
    word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (unsigned)(word * 0x0101010101010101 >> 56);
}

/* Sets the bits [first, last]. Several CPUs may set bits of one bitmap at once. */
static inline void bitmap_set_range(uint64_t *words, uint64_t first, uint64_t last)
{
    for (uint64_t word = first / 64; word <= last / 64; word++) {
        uint64_t mask = ~0ull;

        if (word == first / 64)
            mask &= ~0ull << (first % 64);
        if (word == last / 64)
            mask &= ~0ull >> (63 - last % 64);
        atomic_fetch_or(&words[word], mask);
    }
}
