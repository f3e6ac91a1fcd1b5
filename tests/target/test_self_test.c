/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-test of dirty bits by NVMe, again and again while the hypervisor runs: it leaves nothing behind.
 * What it says changes nothing; that of the boot counts. */

#include "arch/devices/nvme_dma_source.h"
#include "iommu/self_test.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/rcu.h"
#include "lib/tap.h"

static void run(const struct pci_function *function, struct iommu_self_test *result, char *text)
{
    struct nvme_dma_source source;

    nvme_dma_source_init(&source, function->address);
    iommu_self_test_run(&source.source, result);
    iommu_self_test_text(result, text, IOMMU_SELF_TEST_TEXT);
}

static uint64_t free_pages(void)
{
    struct page_alloc_stats stats;

    rcu_barrier();
    page_alloc_stats(&stats);
    return stats.free_pages;
}

/* The domain that it would make. */
static bool domains_track(void)
{
    struct iommu_domain_info info;
    int error;
    struct iommu_domain *domain = iommu_domain_create("test", &error);

    if (!domain)
        return false;
    iommu_domain_info(domain, &info);
    return !iommu_domain_destroy(domain) && info.tracks_dirty;
}

TEST(vtd_self_test)
{
    const struct pci_function *function = pci_find_class(PCI_CLASS_NVME, 0);
    struct iommu_self_test result;
    char text[IOMMU_SELF_TEST_TEXT];
    uint64_t before, faults;

    if (!function || !domains_track()) {
        tap_skip("%s", function ? "the units keep no dirty bits" : "there is no NVMe controller");
        return;
    }
    run(function, &result, text); /* whose tables for the bus stay */
    tap_ok(result.verdict == IOMMU_PASSED && result.large, "self-test: %s", text);
    before = free_pages();
    faults = iommu_fault_count();
    run(function, &result, text);
    tap_ok(result.verdict == IOMMU_PASSED, "once more: %s", text);
    tap_ok(free_pages() == before, "all memory is back: %llu pages, %llu before",
           (unsigned long long)free_pages(), (unsigned long long)before);
    tap_ok(iommu_fault_count() == faults, "the device stayed in what it was given: %llu faults",
           (unsigned long long)(iommu_fault_count() - faults));
}
