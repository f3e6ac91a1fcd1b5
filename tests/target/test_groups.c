/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups on the machine as it is: DMA of every NVMe controller and every edu lands where it is mapped,
 * wherever they sit, and a group goes to one domain as a whole. */
#include "arch/devices/dma_memory.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/tap.h"
#include "tests/target/edu.h"
#include "tests/target/nvme.h"
#include <string.h>

#define NVME_IOVA (16 * MIB)
#define DATA_IOVA (64 * MIB)
#define DISK_PAGE 5 /* on the tests' disks each word of a page is the page's number */
#define FILL      0xa5

static void check_destroy(struct iommu_domain *domain)
{
    int error = iommu_domain_destroy(domain);

    if (error)
        tap_ok(false, "destroy the domain: %s", error_text(error));
}

static void check_unmap(struct dma_memory *data)
{
    int error = dma_memory_unmap(data);

    if (error)
        tap_ok(false, "unmap: %s", error_text(error));
}

static int read_disk(struct nvme *nvme, struct iommu_domain *domain, uint64_t *found)
{
    struct dma_memory data;
    const uint64_t iova = DATA_IOVA;
    int error = dma_memory_map(&data, domain, DATA_IOVA, 0);

    if (error)
        return error;
    error = nvme_read(nvme, 0, DISK_PAGE, &iova, 1);
    *found = atomic_read((uint64_t *)data.address);
    check_unmap(&data);
    return error;
}

static void nvme_reads(const struct pci_function *function)
{
    struct nvme nvme;
    uint64_t found = 0;
    int error;
    struct iommu_domain *domain = iommu_domain_create("test", &error);

    if (domain) {
        error = nvme_open(&nvme, function->address, domain, NVME_IOVA, 1);
        if (!error) {
            int closed;

            error = read_disk(&nvme, domain, &found);
            closed = nvme_close(&nvme);
            error = error ? error : closed;
        }
        check_destroy(domain);
    }
    tap_ok(!error && found == DISK_PAGE, PCI_FORMAT ": page %u of the disk is read (%llu: %s)",
           PCI_ARGS(function->address), DISK_PAGE, (unsigned long long)found, error_text(error));
}

TEST(groups_nvme_reads)
{
    const struct pci_function *function;
    unsigned n = 0;

    for (; (function = pci_find_class(PCI_CLASS_NVME, n)); n++)
        nvme_reads(function);
    if (!n)
        tap_skip("there is no NVMe controller");
}

/* Writes a byte that is not there yet; the domain is the one of edu's group. */
static void check_edu_write(struct edu *edu, struct iommu_domain *domain, const char *what)
{
    uint64_t before = iommu_fault_count();
    struct dma_memory data;
    int error = dma_memory_map(&data, domain, DATA_IOVA, 0);

    if (error) {
        tap_ok(false, PCI_FORMAT ": map: %s", PCI_ARGS(edu->function), error_text(error));
        return;
    }
    memset(data.address, FILL, PAGE_SIZE);
    error = edu_write(edu, DATA_IOVA, 8);
    tap_ok(!error && atomic_read((uint64_t *)data.address) != FILL * (~0ull / 0xff) &&
               iommu_fault_count() == before,
           PCI_FORMAT ": %s (%s, %llu faults)", PCI_ARGS(edu->function), what, error_text(error),
           (unsigned long long)(iommu_fault_count() - before));
    check_unmap(&data);
}

struct companion {
    struct pci_address than; /* not this one */
    struct pci_address found;
    bool any;
};

static void note_companion(void *context, struct pci_address id, bool alias)
{
    struct companion *companion = context;

    if (alias || companion->any || pci_address_equal(id, companion->than))
        return;
    companion->found = id;
    companion->any = true;
}

/* By whom edu is attached must make no difference. What was reset has its bus mastering off. */
static void edu_writes(struct edu *edu, struct iommu_domain *domain, struct iommu_domain *other,
                       struct pci_address by)
{
    bool with_group = !pci_address_equal(by, edu->function);
    int error = iommu_attach(domain, by, IOMMU_NO_PASID);

    if (!error)
        error = pci_bus_master_set(edu->function, true);
    if (error) {
        tap_ok(false, PCI_FORMAT ": attach " PCI_FORMAT ": %s", PCI_ARGS(edu->function), PCI_ARGS(by),
               error_text(error));
        return;
    }
    check_edu_write(edu, domain, with_group ? "writes, attached with its group" : "writes");
    error = iommu_attach(other, edu->function, IOMMU_NO_PASID);
    tap_ok(error == ERR_BUSY, PCI_FORMAT ": to another domain meanwhile: %s", PCI_ARGS(edu->function),
           error_text(error));
    error = iommu_detach(domain, edu->function, IOMMU_NO_PASID);
    tap_ok(!error, PCI_FORMAT ": detach: %s", PCI_ARGS(edu->function), error_text(error));
}

static void edu_is_grouped(struct edu *edu)
{
    struct companion companion = {.than = edu->function};
    int error;
    struct iommu_domain *domain = iommu_domain_create("test", &error);
    struct iommu_domain *other = domain ? iommu_domain_create("other", &error) : NULL;

    if (!error)
        error = iommu_group_visit(edu->function, note_companion, &companion);
    if (!error)
        edu_writes(edu, domain, other, edu->function);
    else
        tap_ok(false, PCI_FORMAT ": domains and group: %s", PCI_ARGS(edu->function), error_text(error));
    if (companion.any)
        edu_writes(edu, domain, other, companion.found);
    if (other)
        check_destroy(other);
    if (domain)
        check_destroy(domain);
}

TEST(groups_edu_writes)
{
    struct edu edu;
    unsigned n = 0;
    int error;

    for (; (error = edu_open(&edu, n)) != ERR_NOT_FOUND; n++) {
        if (error) {
            tap_ok(false, "edu %u: %s", n, error_text(error));
            continue;
        }
        edu_is_grouped(&edu);
        error = edu_close(&edu);
        if (error)
            tap_ok(false, "stop edu %u: %s", n, error_text(error));
    }
    if (!n)
        tap_skip("there is no edu device");
}
