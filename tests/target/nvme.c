/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: bringing a controller up and down. */

#include "tests/target/nvme.h"
#include "arch/platform/pci.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "tests/target/nvme_identify.h"
#include <string.h>

#define ADMIN_DEPTH         16
#define SHUTDOWN_TIMEOUT_NS (10 * NS_PER_S)

static uint32_t nvme_get(const struct nvme *nvme, enum nvme_register offset)
{
    return platform_mmio_read32((const volatile char *)nvme->registers + offset);
}

static void nvme_set(struct nvme *nvme, enum nvme_register offset, uint32_t value)
{
    platform_mmio_write32((volatile char *)nvme->registers + offset, value);
}

static void nvme_set64(struct nvme *nvme, enum nvme_register offset, uint64_t value)
{
    platform_mmio_write64((volatile char *)nvme->registers + offset, value);
}

static void *nvme_page(struct nvme *nvme, unsigned page)
{
    return (char *)nvme->memory.address + page * PAGE_SIZE;
}

/* Where in the window an I/O queue's two pages are; page 0 and 1 are the admin queue's, page 2 takes identify
 * data. */
static unsigned queue_page(unsigned queue)
{
    return 4 + 2 * queue;
}

/* True when RDY is as wanted; false when that does not come, when a controller that is to get ready reports a
 * fatal status, or when it is gone. */
static bool nvme_wait_ready(struct nvme *nvme, bool ready)
{
    uint32_t csts;
    bool ended = wait_until((csts = nvme_get(nvme, NVME_CSTS), csts == NVME_CSTS_GONE ||
                                                                   (ready && csts & NVME_CSTS_CFS) ||
                                                                   !!(csts & NVME_CSTS_RDY) == ready),
                            nvme->ready_timeout_ns);

    return ended && csts != NVME_CSTS_GONE && !!(csts & NVME_CSTS_RDY) == ready;
}

/* A controller that firmware left on, or just about to come on, is let come on first: EN may change only once
 * RDY has followed [3.1.5]. */
static int nvme_disable(struct nvme *nvme)
{
    uint32_t cc = nvme_get(nvme, NVME_CC);

    if (cc & NVME_CC_EN) {
        if (!nvme_wait_ready(nvme, true))
            log_warn("nvme: was on without getting ready");
        nvme_set(nvme, NVME_CC, cc & ~NVME_CC_EN);
    }
    if (nvme_wait_ready(nvme, false))
        return 0;
    log_error("nvme: does not stop (status %#x)", nvme_get(nvme, NVME_CSTS));
    return ERR_TIMEOUT;
}

/* Where the doorbells of this I/O queue and those before it end. */
static uint64_t doorbells_end(const struct nvme *nvme, unsigned queue)
{
    return NVME_DOORBELLS + ((2ull * queue + 2) << (2 + NVME_CAP_DSTRD(nvme->cap)));
}

static int nvme_check_capabilities(struct nvme *nvme, uint64_t register_bytes, unsigned io_queues)
{
    if (register_bytes < NVME_DOORBELLS) {
        log_error("nvme: BAR 0 has %llu bytes only", (unsigned long long)register_bytes);
        return ERR_UNSUPPORTED;
    }
    nvme->cap = platform_mmio_read64((const volatile char *)nvme->registers + NVME_CAP);
    nvme->ready_timeout_ns = (NVME_CAP_TO(nvme->cap) + 1) * 500 * NS_PER_MS;
    nvme->shutdown_timeout_ns = SHUTDOWN_TIMEOUT_NS;
    if (nvme_get(nvme, NVME_CSTS) == NVME_CSTS_GONE) {
        log_error("nvme: registers read as all ones");
        return ERR_HARDWARE;
    }
    if (doorbells_end(nvme, io_queues) > register_bytes) {
        log_error("nvme: the doorbells of %u I/O queues, 2^%u bytes apart, are beyond BAR 0 (%llu bytes)",
                  io_queues, 2 + NVME_CAP_DSTRD(nvme->cap), (unsigned long long)register_bytes);
        return ERR_UNSUPPORTED;
    }
    if (NVME_CAP_MPSMIN(nvme->cap) != 0) {
        log_error("nvme: no 4 KiB pages (CAP.MPSMIN %u)", NVME_CAP_MPSMIN(nvme->cap));
        return ERR_UNSUPPORTED;
    }
    if (!(nvme->cap & (NVME_CAP_CSS_NVM | NVME_CAP_CSS_SEVERAL))) {
        log_error("nvme: no NVM command set (CAP.CSS)");
        return ERR_UNSUPPORTED;
    }
    return 0;
}

static int nvme_enable(struct nvme *nvme)
{
    uint32_t cc = NVME_CC_EN | NVME_CC_IOSQES_64 | NVME_CC_IOCQES_16;

    cc |= nvme->cap & NVME_CAP_CSS_NVM ? NVME_CC_CSS_NVM : NVME_CC_CSS_SEVERAL;
    nvme_queue_init(&nvme->admin, 0, ADMIN_DEPTH, nvme_page(nvme, 0), nvme_page(nvme, 1), nvme->registers,
                    NVME_CAP_DSTRD(nvme->cap));
    nvme_set(nvme, NVME_INTMS, ~0u); /* polled */
    nvme_set(nvme, NVME_AQA, NVME_AQA_SIZES(ADMIN_DEPTH));
    nvme_set64(nvme, NVME_ASQ, dma_memory_iova(&nvme->memory, nvme->admin.commands));
    nvme_set64(nvme, NVME_ACQ, dma_memory_iova(&nvme->memory, nvme->admin.completions));
    nvme_set(nvme, NVME_CC, cc);
    if (nvme_wait_ready(nvme, true))
        return 0;
    log_error("nvme: does not get ready within %llu ms (status %#x)", nvme->ready_timeout_ns / NS_PER_MS,
              nvme_get(nvme, NVME_CSTS));
    return nvme_get(nvme, NVME_CSTS) & NVME_CSTS_CFS ? ERR_HARDWARE : ERR_TIMEOUT;
}

static int nvme_create_queue(struct nvme *nvme, unsigned index)
{
    struct nvme_queue *queue = &nvme->io[index];
    uint32_t entries = NVME_CAP_MQES(nvme->cap) + 1;
    uint16_t depth = (uint16_t)(entries < NVME_QUEUE_DEPTH_MAX ? entries : NVME_QUEUE_DEPTH_MAX);
    uint16_t id = (uint16_t)(index + 1);
    struct nvme_command command = {.cdw0 = NVME_CREATE_CQ, .cdw10 = NVME_CREATE_SIZE((uint32_t)depth) | id};
    int error;

    if (depth < 2) {
        log_error("nvme: CAP.MQES is 0");
        return ERR_UNSUPPORTED;
    }
    nvme_queue_init(queue, id, depth, nvme_page(nvme, queue_page(index)),
                    nvme_page(nvme, queue_page(index) + 1), nvme->registers, NVME_CAP_DSTRD(nvme->cap));
    command.prp1 = dma_memory_iova(&nvme->memory, queue->completions);
    command.cdw11 = NVME_QUEUE_CONTIGUOUS;
    error = nvme_queue_run(&nvme->admin, &command, NULL);
    if (error)
        return error;
    command.cdw0 = NVME_CREATE_SQ;
    command.prp1 = dma_memory_iova(&nvme->memory, queue->commands);
    command.cdw11 = NVME_CREATE_CQ_OF_SQ(id) | NVME_QUEUE_CONTIGUOUS;
    return nvme_queue_run(&nvme->admin, &command, NULL);
}

static int nvme_create_queues(struct nvme *nvme, unsigned wanted)
{
    struct nvme_command command = {
        .cdw0 = NVME_SET_FEATURES, .cdw10 = NVME_FEATURE_QUEUES, .cdw11 = NVME_QUEUES_WANTED(wanted)};
    uint32_t given;
    int error = nvme_queue_run(&nvme->admin, &command, &given);

    while (!error && nvme->io_queues < wanted && nvme->io_queues <= (given & 0xffff) &&
           nvme->io_queues <= given >> 16) {
        error = nvme_create_queue(nvme, nvme->io_queues);
        if (!error)
            nvme->io_queues++;
    }
    return error;
}

/* With the controller attached and its window mapped. */
static int nvme_start(struct nvme *nvme, unsigned io_queues)
{
    int error = pci_bus_master_set(nvme->function, true);

    if (!error)
        error = nvme_enable(nvme);
    if (!error)
        error = nvme_identify(nvme, nvme_page(nvme, 2));
    if (!error)
        error = nvme_create_queues(nvme, io_queues);
    return error;
}

int nvme_open(struct nvme *nvme, struct pci_address function, struct iommu_domain *domain, uint64_t iova,
              unsigned io_queues)
{
    uint64_t register_bytes;
    int error;

    memset(nvme, 0, sizeof(*nvme));
    nvme->function = function;
    nvme->domain = domain;
    error = pci_bar_map(function, 0, &nvme->registers, &register_bytes);
    if (!error)
        error = nvme_check_capabilities(nvme, register_bytes, io_queues);
    if (!error)
        error = nvme_disable(nvme);
    if (!error)
        error = iommu_attach(domain, function, IOMMU_NO_PASID);
    if (error)
        return error;
    error = dma_memory_map(&nvme->memory, domain, iova, NVME_MEMORY_ORDER);
    if (!error)
        error = nvme_start(nvme, io_queues);
    if (error && nvme_close(nvme))
        log_warn("nvme: not closed cleanly after it failed to open");
    return error;
}

/* Tells the controller that power may go, so that it writes back what it holds [7.6.2]. */
static int nvme_shut_down(struct nvme *nvme)
{
    uint32_t cc = nvme_get(nvme, NVME_CC);

    if (!(cc & NVME_CC_EN) || !(nvme_get(nvme, NVME_CSTS) & NVME_CSTS_RDY))
        return 0;
    nvme_set(nvme, NVME_CC, (cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL);
    if (wait_until((nvme_get(nvme, NVME_CSTS) & NVME_CSTS_SHST_MASK) == NVME_CSTS_SHST_DONE,
                   nvme->shutdown_timeout_ns))
        return 0;
    log_error("nvme: does not shut down in time");
    return ERR_TIMEOUT;
}

int nvme_close(struct nvme *nvme)
{
    int first = nvme_shut_down(nvme);
    int error = nvme_disable(nvme);

    first = first ? first : error;
    error = pci_bus_master_set(nvme->function, false);
    first = first ? first : error;
    /* Detached its DMA is blocked whatever the controller does: only now may the window's pages be somebody
     * else's. */
    error = iommu_detach(nvme->domain, nvme->function, IOMMU_NO_PASID);
    if (error)
        return first ? first : error;
    error = dma_memory_unmap(&nvme->memory);
    return first ? first : error;
}
