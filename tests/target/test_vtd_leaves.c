/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d: DMA lands exactly where it is mapped, with leaves of each size. */

#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include <string.h>

#define FILL 0xa5

/* A write that begins and ends within pages, at this offset of one. */
#define WRITE_OFFSET 100
#define WRITE_BYTES  300

/* The page that offset lies in, filled but for what was written, and the pages beside it, as far as the leaf
 * goes. */
static bool landed(const struct edu_bench *bench, const uint8_t *memory, uint64_t bytes, uint64_t offset)
{
    uint64_t first = align_down(offset, PAGE_SIZE), end = first + PAGE_SIZE;

    first = first ? first - PAGE_SIZE : 0;
    end = end < bytes ? end + PAGE_SIZE : bytes;
    return bench_is_filled(memory + first, FILL, offset - first) &&
           edu_bench_is_pattern(bench, memory + offset, WRITE_BYTES) &&
           bench_is_filled(memory + offset + WRITE_BYTES, FILL, end - offset - WRITE_BYTES);
}

static void fill_around(uint8_t *memory, uint64_t bytes, uint64_t offset)
{
    uint64_t first = align_down(offset, PAGE_SIZE), end = first + PAGE_SIZE;

    first = first ? first - PAGE_SIZE : 0;
    end = end < bytes ? end + PAGE_SIZE : bytes;
    memset(memory + first, FILL, end - first);
}

static void check_write(struct edu_bench *bench, uint64_t iova, uint8_t *memory, uint64_t bytes,
                        uint64_t page)
{
    uint64_t offset = page + WRITE_OFFSET;

    fill_around(memory, bytes, offset);
    edu_bench_write_passes(bench, iova + offset, WRITE_BYTES, "write into the leaf");
    tap_ok(landed(bench, memory, bytes, offset),
           "the data is at offset %#llx of the leaf, and nowhere beside it", (unsigned long long)offset);
}

static void check_leaf(struct edu_bench *bench, uint8_t *memory, unsigned level)
{
    uint64_t bytes = PT_ENTRY_SIZE(level);
    /* A gigabyte in one piece is likely above 4 GiB in memory, and then is above in both. */
    uint64_t iova = level == 2 ? 5 * GIB : BENCH_IOVA;
    int error = iommu_map(bench->domain, iova, iova + bytes - 1, virt_to_phys(memory), PT_READ | PT_WRITE);
    struct pt_leaf leaf;

    if (!tap_ok(!error, "map %llu KiB of memory at %#llx: %s", (unsigned long long)(bytes / KIB),
                (unsigned long long)virt_to_phys(memory), error_text(error)))
        return;
    if (!iommu_lookup(bench->domain, iova + bytes - 1, &leaf))
        tap_ok(false, "a lookup finds the leaf");
    else if (leaf.level != level)
        tap_skip("the unit has no leaves of %llu KiB", (unsigned long long)(bytes / KIB));
    else
        tap_ok(leaf.hpa == virt_to_phys(memory), "a lookup finds one leaf of level %u", level);
    check_write(bench, iova, memory, bytes, 0);
    if (level)
        check_write(bench, iova, memory, bytes, bytes - PAGE_SIZE);
    error = iommu_unmap(bench->domain, iova, iova + bytes - 1, NULL);
    tap_ok(!error, "unmap: %s", error_text(error));
}

static void run(unsigned level)
{
    struct edu_bench bench;
    uint8_t *memory;

    if (!edu_bench_open(&bench))
        return;
    memory = pages_alloc(PT_ENTRIES_LG2 * level, PAGE_DMA);
    if (memory) {
        check_leaf(&bench, memory, level);
        pages_free(memory);
    } else {
        tap_skip("no %llu KiB of memory in one piece", (unsigned long long)(PT_ENTRY_SIZE(level) / KIB));
    }
    edu_bench_close(&bench);
}

TEST(vtd_leaf_4k)
{
    run(0);
}

TEST(vtd_leaf_2m)
{
    run(1);
}

TEST(vtd_leaf_1g)
{
    run(2);
}
