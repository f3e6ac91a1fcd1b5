/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that may have ATS: it works as any other, and what is unmapped is invalidated in its TLB too. */
#include "iommu/capabilities.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/pci_ats.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include "tests/target/virtio_rng.h"
#include <string.h>

#define RING_IOVA (16 * MIB)
#define DATA_IOVA (64 * MIB)
#define BYTES     256
#define FILL      0xa5

/* Device-TLB descriptors that the device's unit was sent. */
static uint64_t count_invalidations(struct pci_address device)
{
    struct iommu_queue_stats stats;

    vtd_queue_stats(&vtd_unit_of(device)->queue, &stats);
    return stats.invalidations[IOMMU_INVALIDATION_DEVICE_TLB];
}

static bool is_trusted(struct pci_address device)
{
    const struct iommu_config *config = vtd_config();

    for (unsigned i = 0; i < config->ats_count; i++)
        if (pci_address_equal(config->ats[i], device))
            return true;
    return false;
}

static void check_use(struct virtio_rng *rng, struct dma_memory *data, bool ats)
{
    unsigned char *page = data->address;
    uint64_t before = count_invalidations(rng->function), faults;
    int error;

    memset(page, FILL, PAGE_SIZE);
    error = virtio_rng_read(rng, DATA_IOVA, BYTES);
    tap_ok(!error && !bench_is_filled(page, FILL, BYTES), "it writes where its page is mapped (%s)",
           error_text(error));
    tap_ok(bench_is_filled(page + BYTES, FILL, PAGE_SIZE - BYTES), "and nowhere beside that");
    memset(page, FILL, PAGE_SIZE);
    error = iommu_unmap(data->domain, DATA_IOVA, data->last, NULL);
    tap_ok(!error, "the page is unmapped (%s)", error_text(error));
    tap_ok((count_invalidations(rng->function) > before) == ats, "its TLB %s invalidated by that",
           ats ? "is" : "is not");
    faults = iommu_fault_count();
    error = virtio_rng_read(rng, DATA_IOVA, BYTES);
    /* QEMU's device says that it has written, all the same. */
    tap_ok(iommu_fault_count() > faults, "after that it is refused (the device says: %s)", error_text(error));
    tap_ok(bench_is_filled(page, FILL, PAGE_SIZE), "and has written nothing");
}

/* While it is attached. */
static void check_capabilities(struct pci_address device, bool on)
{
    struct iommu_device_capabilities can;
    int error = iommu_device_capabilities(device, &can);

    if (tap_ok(!error, "its capabilities (%s)", error_text(error)))
        tap_ok(can.has_ats && can.ats == on && !can.why_no_ats == on, "say so (no ATS: %s)",
               can.why_no_ats ? can.why_no_ats : "it has");
}

static void check_device(struct pci_address device, struct iommu_domain *domain)
{
    bool expected = is_trusted(device) && vtd_unit_of(device)->cap.device_tlb;
    struct dma_memory data;
    struct virtio_rng rng;
    int error = virtio_rng_open(&rng, device, domain, RING_IOVA);

    if (!tap_ok(!error, "the device is in a domain (%s)", error_text(error)))
        return;
    tap_ok(iommu_device_has_ats(device) == expected && pci_ats_is_on(device) == expected, "its ATS is %s",
           expected ? "on" : "off");
    check_capabilities(device, expected);
    error = dma_memory_map(&data, domain, DATA_IOVA, 0);
    if (tap_ok(!error, "a page is mapped (%s)", error_text(error))) {
        check_use(&rng, &data, expected);
        pages_free(data.address);
    }
    error = virtio_rng_close(&rng);
    tap_ok(!error, "it is blocked again (%s)", error_text(error));
    tap_ok(!pci_ats_is_on(device) && !pci_bus_master_is_on(device), "and its ATS and its DMA are off");
}

TEST(ats_virtio)
{
    const struct pci_function *function = pci_find_id(VIRTIO_VENDOR, VIRTIO_RNG, 0);
    struct iommu_domain *domain;
    int error;

    if (!function) {
        tap_skip("no virtio entropy device");
        return;
    }
    domain = iommu_domain_create("ats", &error);
    if (!tap_ok(!error, "a domain (%s)", error_text(error)))
        return;
    check_device(function->address, domain);
    error = iommu_domain_destroy(domain);
    tap_ok(!error, "the domain ends (%s)", error_text(error));
}
