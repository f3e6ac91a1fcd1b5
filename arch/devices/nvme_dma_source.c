/* SPDX-License-Identifier: BSD-2-Clause */
/* An NVMe controller as a source of DMA. */
#include "arch/devices/nvme_dma_source.h"
#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"
#include <string.h>

#define NAMES_BYTES (NVME_ID_MODEL + NVME_ID_MODEL_BYTES - NVME_ID_SERIAL)

_Static_assert(NVME_CONTROLLER_BYTES <= IOMMU_DMA_SOURCE_BYTES, "the window has room");

static struct nvme_dma_source *of(struct iommu_dma_source *source)
{
    return CONTAINER_OF(source, struct nvme_dma_source, source);
}

/* The names are left in the data page, to compare with. */
static int source_open(struct iommu_dma_source *source, struct iommu_domain *domain, uint64_t iova)
{
    return nvme_controller_open(&of(source)->controller, source->device, domain, iova);
}

static int source_close(struct iommu_dma_source *source)
{
    return nvme_controller_close(&of(source)->controller);
}

/* NULL where nothing is mapped. */
static char *memory_at(const struct nvme_dma_source *source, uint64_t iova)
{
    struct pt_leaf leaf;

    if (!iommu_lookup(source->controller.domain, iova, &leaf))
        return NULL;
    return phys_to_virt(leaf.hpa + (iova - leaf.iova));
}

static int identify(struct nvme_dma_source *source, uint64_t iova)
{
    return nvme_controller_identify(&source->controller, NVME_CNS_CONTROLLER, 0, iova);
}

/* A device that only says that it wrote must not pass for a unit that loses dirty bits. */
static int check_names(struct nvme_dma_source *source, const char *page)
{
    const char *known = nvme_controller_data(&source->controller);

    if (memcmp(page + NVME_ID_SERIAL, known + NVME_ID_SERIAL, NAMES_BYTES) == 0)
        return 0;
    log_error("nvme: " PCI_FORMAT " says that it wrote a page, and did not", PCI_ARGS(source->source.device));
    return ERR_HARDWARE;
}

static int source_write(struct iommu_dma_source *any, uint64_t iova)
{
    struct nvme_dma_source *source = of(any);
    char *page = memory_at(source, iova);
    int error = 0;

    if (!page)
        return ERR_INVALID;
    if (source->queue_moved)
        error = nvme_controller_move_queue(&source->controller, NULL, 0);
    if (error)
        return error;
    source->queue_moved = false;
    memset(page, 0, PAGE_SIZE);
    error = identify(source, iova);
    return error ? error : check_names(source, page);
}

/* The command goes through the page at iova, its data to the controller's own. */
static int source_read(struct iommu_dma_source *any, uint64_t iova)
{
    struct nvme_dma_source *source = of(any);
    char *page = memory_at(source, iova);
    int error;

    if (!page)
        return ERR_INVALID;
    error = nvme_controller_move_queue(&source->controller, page, iova);
    if (error)
        return error;
    source->queue_moved = true;
    return identify(source, nvme_controller_data_iova(&source->controller));
}

void nvme_dma_source_init(struct nvme_dma_source *source, struct pci_address function)
{
    memset(source, 0, sizeof *source);
    source->source = (struct iommu_dma_source){.device = function,
                                               .open = source_open,
                                               .write = source_write,
                                               .read = source_read,
                                               .close = source_close};
}
