/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: I/O queues, made and taken down with their controller. */
#include "tests/target/nvme.h"
#include "lib/error.h"
#include "lib/log.h"
#include "tests/target/nvme_identify.h"
#include <string.h>

static void *queue_page(struct nvme *nvme, unsigned page)
{
    return (char *)nvme->memory.address + page * PAGE_SIZE;
}

static int create_queue(struct nvme *nvme, unsigned index)
{
    struct nvme_queue *queue = &nvme->io[index];
    struct nvme_controller *controller = &nvme->controller;
    uint32_t entries = NVME_CAP_MQES(controller->cap) + 1;
    uint16_t depth = (uint16_t)(entries < NVME_QUEUE_DEPTH_MAX ? entries : NVME_QUEUE_DEPTH_MAX);
    uint16_t id = (uint16_t)(index + 1);
    struct nvme_command command = {.cdw0 = NVME_CREATE_CQ, .cdw10 = NVME_CREATE_SIZE((uint32_t)depth) | id};
    int error;

    if (depth < 2) {
        log_error("nvme: CAP.MQES is 0");
        return ERR_UNSUPPORTED;
    }
    nvme_queue_init(queue, id, depth, queue_page(nvme, 2 * index), queue_page(nvme, 2 * index + 1),
                    controller->registers, NVME_CAP_DSTRD(controller->cap));
    command.prp1 = dma_memory_iova(&nvme->memory, queue->completions);
    command.cdw11 = NVME_QUEUE_CONTIGUOUS;
    error = nvme_queue_run(&controller->admin, &command, NULL);
    if (error)
        return error;
    command.cdw0 = NVME_CREATE_SQ;
    command.prp1 = dma_memory_iova(&nvme->memory, queue->commands);
    command.cdw11 = NVME_CREATE_CQ_OF_SQ(id) | NVME_QUEUE_CONTIGUOUS;
    return nvme_queue_run(&controller->admin, &command, NULL);
}

static int create_queues(struct nvme *nvme, unsigned wanted)
{
    struct nvme_controller *controller = &nvme->controller;
    struct nvme_command command = {
        .cdw0 = NVME_SET_FEATURES, .cdw10 = NVME_FEATURE_QUEUES, .cdw11 = NVME_QUEUES_WANTED(wanted)};
    uint32_t given;
    int error;

    if (nvme_doorbells_end(controller->cap, wanted) > controller->register_bytes) {
        log_error("nvme: the doorbells of %u I/O queues, 2^%u bytes apart, are beyond BAR 0 (%llu bytes)",
                  wanted, 2 + NVME_CAP_DSTRD(controller->cap),
                  (unsigned long long)controller->register_bytes);
        return ERR_UNSUPPORTED;
    }
    error = nvme_queue_run(&controller->admin, &command, &given);
    while (!error && nvme->io_queues < wanted && nvme->io_queues <= (given & 0xffff) &&
           nvme->io_queues <= given >> 16) {
        error = create_queue(nvme, nvme->io_queues);
        if (!error)
            nvme->io_queues++;
    }
    return error;
}

int nvme_open(struct nvme *nvme, struct pci_address function, struct iommu_domain *domain, uint64_t iova,
              unsigned io_queues)
{
    int error;

    memset(nvme, 0, sizeof(*nvme));
    error = nvme_controller_open(&nvme->controller, function, domain, iova);
    if (error)
        return error;
    error = dma_memory_map(&nvme->memory, domain, iova + NVME_CONTROLLER_BYTES, NVME_MEMORY_ORDER);
    if (!error)
        error = nvme_identify(nvme);
    if (!error)
        error = create_queues(nvme, io_queues);
    if (error && nvme_close(nvme))
        log_warn("nvme: not closed cleanly after it failed to open");
    return error;
}

int nvme_close(struct nvme *nvme)
{
    int closed = nvme_controller_close(&nvme->controller);
    int error = dma_memory_unmap(&nvme->memory);

    return closed ? closed : error;
}
