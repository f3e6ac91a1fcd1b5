/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: the leaves of one cache line at level 0, in a harvest. Which of them are dirty is found without
 * a branch for each, since where dirty pages lie nothing can foresee; and two that are side by side are
 * cleared by one locked instruction, since these are what clearing costs.
 *
 * What was found dirty is reported whatever becomes of it, so it is cleared by an atomic AND of which nobody
 * asks what was there. If the page was unmapped meanwhile its unmap may report it too, and a bit of nothing
 * is cleared; if it was mapped anew and written, that is reported by the same bit. What was found clean is
 * not touched. */
#pragma once

#include "lib/mutant.h"
#include "lib/pt/scan.h"
#include "lib/pt/walk.h"

/* Bit n: entry n has any of mask's bits. Nothing but leaves has them at level 0. */
static ALWAYS_INLINE unsigned pt_line_dirty(const uint64_t *line, uint64_t mask)
{
    unsigned dirty = 0;

#pragma GCC unroll 8
    for (unsigned i = 0; i < PT_LINE_ENTRIES; i++)
        dirty |= (unsigned)((pt_read(&line[i]) & mask) != 0) << i;
    return mutant(HARVEST_SKIPS_ENTRIES) ? dirty & 0x55 : dirty;
}

/* Bits set among the lowest eight: the instruction for it is not on every CPU. */
static ALWAYS_INLINE unsigned pt_line_count(unsigned dirty)
{
    unsigned pairs = dirty - (dirty >> 1 & 0x55);
    unsigned fours = (pairs & 0x33) + (pairs >> 2 & 0x33);

    return (fours + (fours >> 4)) & 0xf;
}

/* Clears mask's bits in one entry of a pair, or in both: which is 1, 2 or 3. */
static ALWAYS_INLINE void pt_pair_clear(uint64_t *pair, unsigned which, uint64_t mask)
{
    uint64_t found[2] = {atomic_read(&pair[0]), atomic_read(&pair[1])};

    if (mutant(PLAIN_CLEAR)) {
        if (which & 1)
            atomic_write(&pair[0], found[0] & ~mask);
        if (which & 2)
            atomic_write(&pair[1], found[1] & ~mask);
    } else if (which == 3) {
        while (!atomic_compare_exchange_pair(pair, found, (uint64_t[]){found[0] & ~mask, found[1] & ~mask}))
            ;
    } else {
        (void)atomic_fetch_and(&pair[which >> 1], ~mask);
    }
}

static ALWAYS_INLINE void pt_line_clear(uint64_t *line, unsigned dirty, uint64_t mask)
{
    while (dirty) {
        unsigned at = (unsigned)__builtin_ctz(dirty) & ~1u;

        pt_pair_clear(&line[at], dirty >> at & 3, mask);
        dirty &= ~(3u << at);
    }
}
