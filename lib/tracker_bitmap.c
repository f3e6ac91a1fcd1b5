/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages of a tracker that wait to be reported. */
#include "lib/tracker_bitmap.h"
#include "lib/page_alloc.h"
#include <stdlib.h>

_Static_assert(TRACKER_LAST_MAX == (PAGE_SIZE << PAGE_ORDER_MAX) * 8 * PAGE_SIZE - 1, "the largest block");

static uint64_t word_count(uint64_t last)
{
    return bitmap_words((last >> PAGE_LG2) + 1);
}

static unsigned order_for(uint64_t last)
{
    unsigned order = 0;

    while (PAGE_SIZE << order < word_count(last) * sizeof(uint64_t))
        order++;
    return order;
}

struct tracker_bitmap *tracker_bitmap_create(uint64_t last)
{
    struct tracker_bitmap *bitmap = malloc(sizeof *bitmap);

    if (!bitmap)
        return NULL;
    bitmap->pages = (struct dirty_bitmap){pages_alloc(order_for(last), PAGE_HYPERVISOR), 0, last};
    if (bitmap->pages.words)
        return bitmap;
    free(bitmap);
    return NULL;
}

void tracker_bitmap_destroy(struct tracker_bitmap *bitmap)
{
    if (!bitmap)
        return;
    pages_free(bitmap->pages.words);
    free(bitmap);
}

uint64_t tracker_bitmap_take(struct tracker_bitmap *bitmap, uint64_t first, uint64_t last,
                             struct dirty_bitmap *report)
{
    uint64_t count = 0;

    for (uint64_t i = (first >> PAGE_LG2) / 64; i <= (last >> PAGE_LG2) / 64; i++) {
        uint64_t word;

        /* Most words are 0, and a locked instruction costs as much as reading many of them. */
        if (!atomic_read(&bitmap->pages.words[i]))
            continue;
        word = atomic_exchange(&bitmap->pages.words[i], 0u);
        report->words[i] |= word;
        count += bitmap_count_word(word);
    }
    return count;
}

void tracker_bitmap_clear(struct tracker_bitmap *bitmap)
{
    for (uint64_t i = 0; i < word_count(bitmap->pages.last); i++)
        atomic_write(&bitmap->pages.words[i], 0u);
}

uint64_t tracker_bitmap_count(const struct tracker_bitmap *bitmap)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < word_count(bitmap->pages.last); i++)
        count += bitmap_count_word(atomic_read(&bitmap->pages.words[i]));
    return count;
}

void tracker_bitmap_add(struct tracker_bitmap *bitmap, const struct tracker_bitmap *from)
{
    uint64_t shorter = from->pages.last < bitmap->pages.last ? from->pages.last : bitmap->pages.last;
    uint64_t words = word_count(shorter), pages_in_last = (shorter >> PAGE_LG2) % 64 + 1;

    for (uint64_t i = 0; i < words; i++) {
        uint64_t word = atomic_read(&from->pages.words[i]);

        if (i == words - 1)
            word &= ~0ull >> (64 - pages_in_last);
        if (word)
            atomic_fetch_or(&bitmap->pages.words[i], word);
    }
}
