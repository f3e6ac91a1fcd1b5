/* SPDX-License-Identifier: BSD-2-Clause */
/* How much is invalidated for a range: which aligned blocks, or everything of the domain. */
#pragma once

#include <stdint.h>

/* A range is invalidated in aligned blocks of 2^mask pages. Each is a descriptor, which the unit fetches from
 * memory and goes through its cache for while the submitter waits. To take fewer, blocks may reach beyond the
 * range; each page there may have been cached, and is then looked up again later: with the tables above it
 * still cached that is one access to memory too. So both count alike, as one. Everything of the domain is one
 * descriptor, and costs what else the domain had cached and uses again: nobody can tell how much, and the
 * rule takes it for so many translations. */
#define VTD_COVER_OTHERS 8

/* No cover that costs as much as everything has more blocks. */
#define VTD_COVER_MAX VTD_COVER_OTHERS

struct vtd_block {
    uint64_t iova; /* a multiple of its size */
    unsigned mask; /* 2^mask pages */
};

/* The cheapest by that rule of all covers that round the range outwards to blocks of 2^k pages, for any k
 * from 0 to mask_max (CAP.MAMV), the finest if several are; none of its blocks is larger than 2^mask_max
 * pages. Returns how many blocks; 0 when everything of the domain is as cheap, or when there may be a leaf in
 * the range that is larger than a block may be. [iova, last] are whole pages. */
unsigned vtd_cover_range(uint64_t iova, uint64_t last, unsigned mask_max,
                         struct vtd_block blocks[VTD_COVER_MAX]);
