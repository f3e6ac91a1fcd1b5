/* SPDX-License-Identifier: BSD-2-Clause */
/* Covers a range of pages by aligned blocks, as few as the rule of cover.h wants. */
#include "iommu/vtd/cover.h"
#include "lib/units.h"
#include <stdbool.h>

/* In pages. */
struct span {
    uint64_t first, end;
};

static struct span round_out(struct span span, unsigned mask)
{
    return (struct span){align_down(span.first, 1ull << mask), align_up(span.end, 1ull << mask)};
}

/* Of the largest aligned block at the beginning of a span. */
static unsigned first_mask(struct span span, unsigned mask_max)
{
    unsigned mask = 63 - (unsigned)__builtin_clzll(span.end - span.first);

    if (span.first && (unsigned)__builtin_ctzll(span.first) < mask)
        mask = (unsigned)__builtin_ctzll(span.first);
    return mask < mask_max ? mask : mask_max;
}

/* Cuts a span into the fewest blocks that are exactly it. More than VTD_COVER_MAX: there are too many. */
static unsigned cut(struct span span, unsigned mask_max, struct vtd_block blocks[VTD_COVER_MAX])
{
    unsigned count = 0;

    while (span.first < span.end) {
        unsigned mask = first_mask(span, mask_max);

        if (count == VTD_COVER_MAX)
            return VTD_COVER_MAX + 1;
        blocks[count++] = (struct vtd_block){span.first << PAGE_LG2, mask};
        span.first += 1ull << mask;
    }
    return count;
}

static bool has_block(struct span span, unsigned mask)
{
    return align_up(span.first, 1ull << mask) + (1ull << mask) <= span.end;
}

/* A large leaf in the range would be cut: it goes by a mask of its own size, or with everything (11.4.6.2).
 */
static bool cuts_leaves(struct span span, unsigned mask_max)
{
    return (mask_max < 9 && has_block(span, 9)) || (mask_max < 18 && has_block(span, 18));
}

unsigned vtd_cover_range(uint64_t iova, uint64_t last, unsigned mask_max,
                         struct vtd_block blocks[VTD_COVER_MAX])
{
    const struct span range = {iova >> PAGE_LG2, (last >> PAGE_LG2) + 1};
    uint64_t best = 1 + VTD_COVER_OTHERS; /* everything of the domain */
    struct span chosen = {0, 0};

    if (cuts_leaves(range, mask_max))
        return 0;
    for (unsigned k = 0; k <= mask_max; k++) {
        struct span rounded = round_out(range, k);
        uint64_t beside = (rounded.end - rounded.first) - (range.end - range.first);
        uint64_t cost;

        /* What lies beside only grows with k. */
        if (beside + 1 >= best)
            break;
        cost = beside + cut(rounded, mask_max, blocks);
        if (cost < best) {
            best = cost;
            chosen = rounded;
        }
    }
    return cut(chosen, mask_max, blocks);
}
