/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d: DMA lands where it is mapped and nowhere else, also where pages are scattered, and where addresses do
 * not fit 32 bits. */

#include "iommu/vtd/vtd.h"
#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include <string.h>

#define FILL 0xa5

#define BLOCK_ORDER 3
#define BLOCK_PAGES (1u << BLOCK_ORDER)
#define BLOCK_BYTES (BLOCK_PAGES * PAGE_SIZE)

/* A write of so many bytes from here on ends in the next page. */
#define CROSS_OFFSET 4000
#define CROSS_BYTES  1000u
#define CROSS_FIRST  (PAGE_SIZE - CROSS_OFFSET)

/* The pages of a block in the order in which they are mapped, one after the other: none lies beside the one
 * before it, and each has neighbours that are not mapped. */
static const unsigned scattered[] = {5, 1, 3};

static bool map_at(struct edu_bench *bench, uint64_t iova, const void *page)
{
    int error = iommu_map(bench->domain, iova, iova + PAGE_SIZE - 1, virt_to_phys(page), PT_READ | PT_WRITE);

    return !error || tap_ok(false, "map %#llx: %s", (unsigned long long)iova, error_text(error));
}

static void unmap_at(struct edu_bench *bench, uint64_t iova, uint64_t bytes)
{
    int error = iommu_unmap(bench->domain, iova, iova + bytes - 1, NULL);

    if (error)
        tap_ok(false, "unmap %#llx: %s", (unsigned long long)iova, error_text(error));
}

/* All of the block is as it was filled, but for what a write across the first two pages leaves in them. */
static bool crossed(const struct edu_bench *bench, const uint8_t *block)
{
    const uint8_t *first = block + scattered[0] * PAGE_SIZE, *second = block + scattered[1] * PAGE_SIZE;
    const uint8_t *pattern = bench->pattern.address;

    for (unsigned page = 0; page < BLOCK_PAGES; page++)
        if (page != scattered[0] && page != scattered[1] &&
            !bench_is_filled(block + page * PAGE_SIZE, FILL, PAGE_SIZE))
            return false;
    return bench_is_filled(first, FILL, CROSS_OFFSET) &&
           memcmp(first + CROSS_OFFSET, pattern, CROSS_FIRST) == 0 &&
           memcmp(second, pattern + CROSS_FIRST, CROSS_BYTES - CROSS_FIRST) == 0 &&
           bench_is_filled(second + CROSS_BYTES - CROSS_FIRST, FILL, PAGE_SIZE - (CROSS_BYTES - CROSS_FIRST));
}

static void write_scattered(struct edu_bench *bench, uint8_t *block)
{
    for (unsigned i = 0; i < ARRAY_SIZE(scattered); i++)
        if (!map_at(bench, BENCH_IOVA + i * PAGE_SIZE, block + scattered[i] * PAGE_SIZE))
            return;
    edu_bench_write_passes(bench, BENCH_IOVA + CROSS_OFFSET, CROSS_BYTES, "write across two pages");
    tap_ok(crossed(bench, block), "each part is in its page, and the six others are unchanged");
    memset(block, FILL, BLOCK_BYTES);
    edu_bench_write_passes(bench, BENCH_IOVA + 2 * PAGE_SIZE, PAGE_SIZE, "write of the third page");
    tap_ok(edu_bench_is_pattern(bench, block + scattered[2] * PAGE_SIZE, PAGE_SIZE), "it is there");
    memset(block + scattered[2] * PAGE_SIZE, FILL, PAGE_SIZE);
    tap_ok(bench_is_filled(block, FILL, BLOCK_BYTES), "the seven others are unchanged");
    edu_bench_write_blocked(bench, BENCH_IOVA + 3 * PAGE_SIZE, PAGE_SIZE, "write behind the last page");
    tap_ok(bench_is_filled(block, FILL, BLOCK_BYTES), "nothing is changed");
}

TEST(vtd_scattered)
{
    struct edu_bench bench;
    uint8_t *block;

    if (!edu_bench_open(&bench))
        return;
    block = pages_alloc(BLOCK_ORDER, PAGE_DMA);
    if (block) {
        memset(block, FILL, BLOCK_BYTES);
        write_scattered(&bench, block);
        unmap_at(&bench, BENCH_IOVA, ARRAY_SIZE(scattered) * PAGE_SIZE);
        pages_free(block);
    } else {
        tap_ok(false, "no memory for %u pages", BLOCK_PAGES);
    }
    edu_bench_close(&bench);
}

/* What is mapped at an address that does not fit some width, and at the same address cut to it. */
static void write_far(struct edu_bench *bench, uint64_t far, uint64_t cut, uint8_t *pages)
{
    uint8_t *low = pages + PAGE_SIZE;

    memset(pages, FILL, 2 * PAGE_SIZE);
    if (!map_at(bench, far, pages) || !map_at(bench, cut, low))
        return;
    edu_bench_write_passes(bench, far, PAGE_SIZE, "write far up");
    tap_ok(edu_bench_is_pattern(bench, pages, PAGE_SIZE) && bench_is_filled(low, FILL, PAGE_SIZE),
           "the data is in the page at %#llx, and that at %#llx is unchanged", (unsigned long long)far,
           (unsigned long long)cut);
    memset(pages, FILL, PAGE_SIZE);
    unmap_at(bench, far, PAGE_SIZE);
    edu_bench_write_blocked(bench, far, PAGE_SIZE, "write there after unmap");
    tap_ok(bench_is_filled(pages, FILL, 2 * PAGE_SIZE), "both pages are unchanged");
    unmap_at(bench, cut, PAGE_SIZE);
}

/* No address of the domain is as high; nor can one be mapped. */
static void write_beyond(struct edu_bench *bench, uint64_t beyond, uint8_t *page)
{
    int error;

    memset(page, FILL, PAGE_SIZE);
    error = iommu_map(bench->domain, beyond, beyond + PAGE_SIZE - 1, virt_to_phys(page), PT_READ | PT_WRITE);
    tap_ok(error == ERR_RANGE, "map %#llx: %s", (unsigned long long)beyond, error_text(error));
    if (!map_at(bench, BENCH_IOVA, page))
        return;
    edu_bench_write_blocked(bench, beyond, PAGE_SIZE, "write beyond the domain's width");
    tap_ok(bench_is_filled(page, FILL, PAGE_SIZE), "the page at the address cut to it is unchanged");
    unmap_at(bench, BENCH_IOVA, PAGE_SIZE);
}

TEST(vtd_far_addresses)
{
    uint64_t end = 1ull << vtd_stage_width(vtd_stage());
    struct edu_bench bench;
    uint8_t *pages;

    if (!edu_bench_open(&bench))
        return;
    pages = pages_alloc(1, PAGE_DMA);
    if (pages) {
        write_far(&bench, 4 * GIB + BENCH_IOVA, BENCH_IOVA, pages);
        write_far(&bench, end - PAGE_SIZE, end / 2 - PAGE_SIZE, pages);
        write_beyond(&bench, end + BENCH_IOVA, pages);
        pages_free(pages);
    } else {
        tap_ok(false, "no memory for two pages");
    }
    edu_bench_close(&bench);
}
