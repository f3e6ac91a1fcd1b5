/* SPDX-License-Identifier: BSD-2-Clause */
/* The stress of dirty tracking: setting it up and taking it down. */

#include "arch/cpu/cpu.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/stress.h"
#include <string.h>

#define KEPT_ORDER   10
#define SLOT_ORDER   5
#define STRESS_CPUS  3 /* a role each */
#define BITMAP_ORDER 0 /* a bit for each page of the slots' range */

_Static_assert(STRESS_KEPT == 1u << KEPT_ORDER, "a page for each that is kept");
_Static_assert(STRESS_SLOTS == 1u << SLOT_ORDER, "a page for each slot");
_Static_assert(STRESS_SLOTS *STRESS_SLOT_SPAN / PAGE_SIZE <= (PAGE_SIZE << BITMAP_ORDER) * 8,
               "the bitmap has them all");

uint64_t stress_slot_iova(const struct stress *stress, unsigned slot)
{
    return STRESS_SLOT_IOVA + slot * stress->slot_stride;
}

static int allocate(struct stress *stress)
{
    stress->kept = pages_alloc(KEPT_ORDER, PAGE_DMA);
    stress->copies = pages_alloc(KEPT_ORDER, PAGE_HYPERVISOR);
    stress->slot_pages = pages_alloc(SLOT_ORDER, PAGE_DMA);
    stress->bitmap = pages_alloc(BITMAP_ORDER, PAGE_HYPERVISOR);
    if (!stress->kept || !stress->copies || !stress->slot_pages || !stress->bitmap)
        return ERR_NOMEM;
    memset(stress->kept, 0, STRESS_KEPT * PAGE_SIZE);
    memset(stress->copies, 0, STRESS_KEPT * PAGE_SIZE);
    for (unsigned slot = 0; slot < STRESS_SLOTS; slot++)
        stress->slots[slot].page = stress->slot_pages + slot * PAGE_SIZE;
    return ledger_init(&stress->ledger, STRESS_BLOCK);
}

static void give_back(struct stress *stress)
{
    void *blocks[] = {stress->kept, stress->copies, stress->slot_pages, stress->bitmap};

    for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++)
        if (blocks[i])
            pages_free(blocks[i]);
    ledger_destroy(&stress->ledger);
}

/* That there is no edu is no error. */
static int open_edu(struct stress *stress)
{
    int error = edu_open(&stress->edu, 0);

    if (error)
        return error == ERR_NOT_FOUND ? 0 : error;
    error = edu_attach(&stress->edu, stress->domain);
    stress->has_edu = !error;
    return error ? error : edu_check_mask(&stress->edu, stress->domain);
}

static int open_devices(struct stress *stress, const struct pci_function *nvme)
{
    int error = open_edu(stress);

    if (!error)
        error = nvme_open(&stress->nvme, nvme->address, stress->domain, STRESS_NVME_IOVA, 2);
    stress->has_nvme = !error;
    if (!error && stress->nvme.io_queues < 2)
        error = ERR_UNSUPPORTED;
    return error;
}

/* Slots that share a table need one page there that stays, or the table would go with the last one. */
static int map_all(struct stress *stress)
{
    uint64_t anchor = stress_slot_iova(stress, STRESS_SLOTS);
    int error = iommu_map(stress->domain, STRESS_KEPT_IOVA, STRESS_CHANGED_LAST, virt_to_phys(stress->kept),
                          PT_READ | PT_WRITE);

    if (!error)
        error = iommu_split(stress->domain, STRESS_KEPT_IOVA, STRESS_CHANGED_IOVA - 1, 0);
    if (!error && stress->slot_stride == PAGE_SIZE)
        error =
            iommu_map(stress->domain, anchor, anchor + PAGE_SIZE - 1, virt_to_phys(stress->kept), PT_READ);
    return error;
}

/* Why this cannot be had here; NULL if it can. */
static const char *why_not(struct stress *stress, const struct pci_function *nvme)
{
    struct iommu_domain_info info;

    iommu_domain_info(stress->domain, &info);
    if (!info.tracks_dirty)
        return "the units keep no dirty bits";
    if (info.reads_are_dirty)
        return "this unit overwrites entries that change while it walks";
    if (cpu_count() < STRESS_CPUS)
        return "needs 3 CPUs";
    return nvme ? NULL : "there is no NVMe controller";
}

bool stress_open(struct stress *stress, uint64_t slot_stride)
{
    const struct pci_function *nvme = pci_find_class(PCI_CLASS_NVME, 0);
    const char *missing;
    int error;

    memset(stress, 0, sizeof(*stress));
    stress->slot_stride = slot_stride;
    stress->domain = iommu_domain_create("stress", &error);
    if (!stress->domain) {
        tap_ok(false, "a domain: %s", error_text(error));
        return false;
    }
    missing = why_not(stress, nvme);
    if (!missing) {
        error = allocate(stress);
        if (!error)
            error = open_devices(stress, nvme);
        if (!error)
            error = map_all(stress);
        if (!error)
            error = iommu_domain_track(stress->domain,
                                       &(struct iommu_track){.how = IOMMU_TRACKING_DIRTY_BITS, .level = 1});
        if (!error)
            return true;
        tap_ok(false, "pages and devices: %s", error_text(error));
    } else {
        tap_skip("%s", missing);
    }
    stress_close(stress);
    return false;
}

static void check(int error, const char *what)
{
    if (error)
        tap_ok(false, "%s: %s", what, error_text(error));
}

void stress_close(struct stress *stress)
{
    int error;

    if (stress->has_edu) {
        check(edu_close(&stress->edu), "stop edu");
        check(iommu_detach(stress->domain, stress->edu.function, IOMMU_NO_PASID), "detach edu");
    }
    if (stress->has_nvme)
        check(nvme_close(&stress->nvme), "close NVMe");
    error = iommu_domain_destroy(stress->domain);
    check(error, "destroy the domain");
    if (!error)
        give_back(stress);
}
