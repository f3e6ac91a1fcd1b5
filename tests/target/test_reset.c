/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that changes hands has forgotten what it was told: an NVMe controller that was left running. */
#include "arch/devices/nvme_controller.h"
#include "arch/devices/nvme_regs.h"
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "lib/tap.h"

#define NVME_IOVA (16 * MIB)

static uint32_t get(const struct nvme_controller *nvme, enum nvme_register offset)
{
    return platform_mmio_read32((const volatile char *)nvme->registers + offset);
}

static bool is_master(const struct nvme_controller *nvme)
{
    return pci_read16(nvme->function, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* It runs in the first domain, and nobody stops it. */
static void change_hands(struct nvme_controller *nvme, struct iommu_domain *next)
{
    uint32_t bar = platform_pci_read32(nvme->function, PCI_BAR);
    int error;

    tap_ok(get(nvme, NVME_CSTS) & NVME_CSTS_RDY, "the controller is ready in the first domain");
    error = iommu_detach(nvme->domain, nvme->function, IOMMU_NO_PASID);
    if (!error)
        error = iommu_attach(nvme->domain, nvme->function, IOMMU_NO_PASID);
    tap_ok(!error && get(nvme, NVME_CC) & NVME_CC_EN && is_master(nvme), "and when it comes back to that: %s",
           error_text(error));
    if (!error)
        error = iommu_detach(nvme->domain, nvme->function, IOMMU_NO_PASID);
    if (!error)
        error = iommu_attach(next, nvme->function, IOMMU_NO_PASID);
    if (!tap_ok(!error, "it goes to another domain: %s", error_text(error)))
        return;
    tap_ok(!is_master(nvme), "its bus mastering is off there");
    tap_ok(platform_pci_read32(nvme->function, PCI_BAR) == bar, "its BAR is as it was");
    tap_ok(!(get(nvme, NVME_CC) & NVME_CC_EN) && !(get(nvme, NVME_CSTS) & NVME_CSTS_RDY),
           "and it runs no more (CC %#x, CSTS %#x)", (unsigned)get(nvme, NVME_CC),
           (unsigned)get(nvme, NVME_CSTS));
    error = iommu_detach(next, nvme->function, IOMMU_NO_PASID);
    tap_ok(!error, "detach: %s", error_text(error));
}

TEST(reset_between_domains)
{
    const struct pci_function *function = pci_find_class(PCI_CLASS_NVME, 0);
    struct nvme_controller nvme;
    int error;
    struct iommu_domain *domain, *next;

    if (!function) {
        tap_skip("there is no NVMe controller");
        return;
    }
    domain = iommu_domain_create("first", &error);
    next = domain ? iommu_domain_create("next", &error) : NULL;
    if (!error)
        error = nvme_controller_open(&nvme, function->address, domain, NVME_IOVA);
    if (tap_ok(!error, "NVMe in a domain: %s", error_text(error))) {
        change_hands(&nvme, next);
        error = dma_memory_unmap(&nvme.memory);
        tap_ok(!error, "unmap: %s", error_text(error));
    }
    if (next)
        tap_ok(!iommu_domain_destroy(next), "destroy the next domain");
    if (domain)
        tap_ok(!iommu_domain_destroy(domain), "destroy the first domain");
}
