/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d: what a device must not reach. Each case makes edu try, and looks at the fault and at the memory. */

#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include <string.h>

#define FILL 0xa5

static void *filled_page(enum page_use use)
{
    void *page = pages_alloc(0, use);

    if (!page)
        tap_ok(false, "no memory for a page");
    else
        memset(page, FILL, PAGE_SIZE);
    return page;
}

/* Maps one page read-write; a failed check if that does not work. */
static bool map_page(struct iommu_domain *domain, uint64_t iova, const void *page, unsigned prot)
{
    int error = iommu_map(domain, iova, iova + PAGE_SIZE - 1, virt_to_phys(page), prot);

    return !error || tap_ok(false, "map %#llx: %s", (unsigned long long)iova, error_text(error));
}

static bool unmap_page(struct iommu_domain *domain, uint64_t iova)
{
    int error = iommu_unmap(domain, iova, iova + PAGE_SIZE - 1, NULL);

    return !error || tap_ok(false, "unmap %#llx: %s", (unsigned long long)iova, error_text(error));
}

TEST(vtd_write_unmapped)
{
    struct edu_bench bench;
    void *page;

    if (!edu_bench_open(&bench))
        return;
    page = filled_page(PAGE_DMA);
    if (page && map_page(bench.domain, BENCH_IOVA, page, PT_READ | PT_WRITE)) {
        edu_bench_write_blocked(&bench, BENCH_IOVA + PAGE_SIZE, PAGE_SIZE, "write beside what is mapped");
        tap_ok(bench_is_filled(page, FILL, PAGE_SIZE), "the page beside it is unchanged");
        unmap_page(bench.domain, BENCH_IOVA);
    }
    if (page)
        pages_free(page);
    edu_bench_close(&bench);
}

TEST(vtd_read_unmapped)
{
    struct edu_bench bench;

    if (!edu_bench_open(&bench))
        return;
    edu_bench_read_blocked(&bench, BENCH_IOVA, PAGE_SIZE, "read where nothing is mapped");
    edu_bench_close(&bench);
}

TEST(vtd_write_read_only)
{
    struct edu_bench bench;
    void *page;

    if (!edu_bench_open(&bench))
        return;
    page = filled_page(PAGE_DMA);
    if (page && map_page(bench.domain, BENCH_IOVA, page, PT_READ)) {
        edu_bench_write_blocked(&bench, BENCH_IOVA, 64, "write where reading is allowed");
        tap_ok(bench_is_filled(page, FILL, PAGE_SIZE), "the page is unchanged");
        unmap_page(bench.domain, BENCH_IOVA);
    }
    if (page)
        pages_free(page);
    edu_bench_close(&bench);
}

/* IOVA = HPA is what a device would reach if nothing translated. */
TEST(vtd_blocked_before_attach)
{
    struct edu_bench bench;
    void *page;

    if (!edu_bench_open(&bench))
        return;
    edu_bench_detach(&bench);
    page = filled_page(PAGE_DMA);
    if (page) {
        edu_bench_write_blocked(&bench, virt_to_phys(page), PAGE_SIZE, "write of a device in no domain");
        tap_ok(bench_is_filled(page, FILL, PAGE_SIZE), "the page at that physical address is unchanged");
        pages_free(page);
    }
    edu_bench_close(&bench);
}

TEST(vtd_hypervisor_memory_blocked)
{
    struct edu_bench bench;
    struct dma_memory target = {0};
    void *canary;
    int error;

    if (!edu_bench_open(&bench))
        return;
    canary = filled_page(PAGE_HYPERVISOR);
    error = dma_memory_map(&target, bench.domain, BENCH_IOVA, 0);
    if (canary && !error) {
        edu_bench_write_blocked(&bench, virt_to_phys(canary), PAGE_SIZE, "write to hypervisor memory");
        tap_ok(bench_is_filled(canary, FILL, PAGE_SIZE), "the canary there is unchanged");
        edu_bench_read_blocked(&bench, virt_to_phys(canary), PAGE_SIZE, "read of hypervisor memory");
        edu_bench_write_passes(&bench, BENCH_IOVA, PAGE_SIZE, "write of what was read");
        tap_ok(memcmp(target.address, canary, PAGE_SIZE) != 0, "it is not the canary");
    }
    tap_ok(!dma_memory_unmap(&target), "unmap");
    if (canary)
        pages_free(canary);
    edu_bench_close(&bench);
}

TEST(vtd_map_forbidden)
{
    struct edu_bench bench;
    struct pt_leaf leaf;
    void *hypervisor, *was_dma;
    int error;

    if (!edu_bench_open(&bench))
        return;
    hypervisor = pages_alloc(0, PAGE_HYPERVISOR);
    was_dma = pages_alloc(0, PAGE_DMA);
    if (hypervisor && was_dma) {
        uint64_t freed = virt_to_phys(was_dma);

        pages_free(was_dma);
        error = iommu_map(bench.domain, BENCH_IOVA, BENCH_IOVA + PAGE_SIZE - 1, virt_to_phys(hypervisor),
                          PT_READ);
        tap_ok(error == ERR_FORBIDDEN, "a page of the hypervisor: %s", error_text(error));
        error = iommu_map(bench.domain, BENCH_IOVA, BENCH_IOVA + PAGE_SIZE - 1, freed, PT_READ);
        tap_ok(error == ERR_FORBIDDEN, "a page that was freed: %s", error_text(error));
        error = iommu_map(bench.domain, BENCH_IOVA, BENCH_IOVA + PAGE_SIZE - 1, 0xfee00000, PT_READ);
        tap_ok(error == ERR_FORBIDDEN, "what is not memory: %s", error_text(error));
        tap_ok(!iommu_lookup(bench.domain, BENCH_IOVA, &leaf), "nothing was mapped");
    } else {
        tap_ok(false, "no memory for two pages");
    }
    if (hypervisor)
        pages_free(hypervisor);
    edu_bench_close(&bench);
}

TEST(vtd_unmap_blocks)
{
    struct edu_bench bench;
    void *page;

    if (!edu_bench_open(&bench))
        return;
    page = filled_page(PAGE_DMA);
    if (page && map_page(bench.domain, BENCH_IOVA, page, PT_READ | PT_WRITE)) {
        edu_bench_write_passes(&bench, BENCH_IOVA, PAGE_SIZE, "write while it is mapped");
        tap_ok(edu_bench_is_pattern(&bench, page, PAGE_SIZE), "the data is there");
        if (unmap_page(bench.domain, BENCH_IOVA)) {
            memset(page, FILL, PAGE_SIZE);
            edu_bench_write_blocked(&bench, BENCH_IOVA, PAGE_SIZE, "write after unmap");
            tap_ok(bench_is_filled(page, FILL, PAGE_SIZE), "the page is unchanged");
        }
    }
    if (page)
        pages_free(page);
    edu_bench_close(&bench);
}

static void remap(struct edu_bench *bench, void *first, void *second)
{
    if (!map_page(bench->domain, BENCH_IOVA, first, PT_READ | PT_WRITE))
        return;
    edu_bench_write_passes(bench, BENCH_IOVA, PAGE_SIZE, "write through the first mapping");
    tap_ok(edu_bench_is_pattern(bench, first, PAGE_SIZE), "the data is in the first page");
    memset(first, FILL, PAGE_SIZE);
    if (!unmap_page(bench->domain, BENCH_IOVA) ||
        !map_page(bench->domain, BENCH_IOVA, second, PT_READ | PT_WRITE))
        return;
    edu_bench_write_passes(bench, BENCH_IOVA, PAGE_SIZE, "write through the second mapping");
    tap_ok(bench_is_filled(first, FILL, PAGE_SIZE), "the first page is unchanged");
    tap_ok(edu_bench_is_pattern(bench, second, PAGE_SIZE), "the data is in the second page");
    unmap_page(bench->domain, BENCH_IOVA);
}

TEST(vtd_remap)
{
    struct edu_bench bench;
    void *first, *second;

    if (!edu_bench_open(&bench))
        return;
    first = filled_page(PAGE_DMA);
    second = filled_page(PAGE_DMA);
    if (first && second)
        remap(&bench, first, second);
    if (first)
        pages_free(first);
    if (second)
        pages_free(second);
    edu_bench_close(&bench);
}

TEST(vtd_detach_blocks)
{
    struct edu_bench bench;
    void *page;

    if (!edu_bench_open(&bench))
        return;
    page = filled_page(PAGE_DMA);
    if (page && map_page(bench.domain, BENCH_IOVA, page, PT_READ | PT_WRITE)) {
        edu_bench_write_passes(&bench, BENCH_IOVA, PAGE_SIZE, "write of an attached device");
        memset(page, FILL, PAGE_SIZE);
        edu_bench_detach(&bench);
        edu_bench_write_blocked(&bench, BENCH_IOVA, PAGE_SIZE, "write after detach");
        tap_ok(bench_is_filled(page, FILL, PAGE_SIZE), "the page is unchanged");
        unmap_page(bench.domain, BENCH_IOVA);
    }
    if (page)
        pages_free(page);
    edu_bench_close(&bench);
}

static void write_beside(struct edu_bench *bench, struct iommu_domain *other, void *ours, void *theirs)
{
    if (!map_page(bench->domain, BENCH_IOVA, ours, PT_READ | PT_WRITE) ||
        !map_page(other, BENCH_IOVA, theirs, PT_READ | PT_WRITE))
        return;
    edu_bench_write_passes(bench, BENCH_IOVA, PAGE_SIZE, "write where both domains map");
    tap_ok(edu_bench_is_pattern(bench, ours, PAGE_SIZE), "the data is in the page of the device's domain");
    tap_ok(bench_is_filled(theirs, FILL, PAGE_SIZE), "the other domain's page is unchanged");
    unmap_page(bench->domain, BENCH_IOVA);
    edu_bench_write_blocked(bench, BENCH_IOVA, PAGE_SIZE, "write where only the other domain maps");
    tap_ok(bench_is_filled(theirs, FILL, PAGE_SIZE), "the other domain's page is unchanged still");
    unmap_page(other, BENCH_IOVA);
}

TEST(vtd_domains_apart)
{
    struct edu_bench bench;
    struct iommu_domain *other;
    void *ours, *theirs;
    int error;

    if (!edu_bench_open(&bench))
        return;
    other = iommu_domain_create("other", &error);
    ours = filled_page(PAGE_DMA);
    theirs = filled_page(PAGE_DMA);
    if (other && ours && theirs)
        write_beside(&bench, other, ours, theirs);
    else
        tap_ok(false, "a second domain: %s", error_text(error));
    if (other)
        tap_ok(!iommu_domain_destroy(other), "destroy the other domain");
    if (ours)
        pages_free(ours);
    if (theirs)
        pages_free(theirs);
    edu_bench_close(&bench);
}
