/* SPDX-License-Identifier: BSD-2-Clause */
/* A bitmap of the pages of a range of IOVAs. */
#pragma once

#include "lib/bitmap.h"
#include "lib/units.h"
#include <stdint.h>

/* Where a harvest puts its result: bit n stands for the page at iova + n * 4 KiB. */
struct dirty_bitmap {
    uint64_t *words; /* atomically changed; several harvests may share one bitmap */
    uint64_t iova;
    uint64_t last;
};

/* Marks [iova, last] as far as the bitmap reaches. */
static inline void dirty_bitmap_mark(struct dirty_bitmap *bitmap, uint64_t iova, uint64_t last)
{
    uint64_t from = iova > bitmap->iova ? iova : bitmap->iova;
    uint64_t to = last < bitmap->last ? last : bitmap->last;

    if (from <= to)
        bitmap_set_range(bitmap->words, (from - bitmap->iova) >> PAGE_LG2, (to - bitmap->iova) >> PAGE_LG2);
}
