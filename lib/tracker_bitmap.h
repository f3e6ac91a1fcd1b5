/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages of a tracker that wait to be reported: bit n of word n / 64 is page n. Everybody marks in it at
 * once, by atomic or; who reports takes words out by atomic exchange, so that no mark falls between. */
#pragma once

#include "lib/compiler.h"
#include "lib/pt/dirty_bitmap.h"
#include <stdint.h>

/* One block of the page allocator has all words of a bitmap. */
#define TRACKER_LAST_MAX ((PAGE_SIZE << 18) * 8 * PAGE_SIZE - 1)

struct tracker_bitmap {
    struct dirty_bitmap pages; /* of [0, last] */
};

/* Empty, for the pages of [0, last], at most TRACKER_LAST_MAX. NULL: no memory. */
struct tracker_bitmap *tracker_bitmap_create(uint64_t last) MUST_CHECK;

/* NULL is fine. */
void tracker_bitmap_destroy(struct tracker_bitmap *bitmap);

/* Moves the pages of [first, last] into report, a bitmap from address 0 on, and returns how many there were.
 * first and last + 1 are multiples of 64 pages, or the bitmap's end. These words of report are the caller's
 * alone. */
uint64_t tracker_bitmap_take(struct tracker_bitmap *bitmap, uint64_t first, uint64_t last,
                             struct dirty_bitmap *report);

/* Forgets all; how many pages there are. */
void tracker_bitmap_clear(struct tracker_bitmap *bitmap);
uint64_t tracker_bitmap_count(const struct tracker_bitmap *bitmap);

/* Marks in bitmap what is marked in from, as far as both reach. */
void tracker_bitmap_add(struct tracker_bitmap *bitmap, const struct tracker_bitmap *from);
