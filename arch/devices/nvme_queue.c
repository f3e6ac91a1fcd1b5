/* SPDX-License-Identifier: BSD-2-Clause */
/* One pair of NVMe queues. */

#include "arch/devices/nvme_queue.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"
#include "lib/units.h"

#define COMMAND_TIMEOUT_NS (10 * NS_PER_S)

void nvme_queue_init(struct nvme_queue *queue, uint16_t id, uint16_t depth, void *commands, void *completions,
                     volatile void *registers, uint32_t doorbell_stride)
{
    volatile char *doorbells = (volatile char *)registers + NVME_DOORBELLS;

    *queue = (struct nvme_queue){
        .id = id,
        .depth = depth,
        .phase = NVME_DW3_PHASE,
        .commands = commands,
        .completions = completions,
        .tail_doorbell = doorbells + ((2u * id) << (2 + doorbell_stride)),
        .head_doorbell = doorbells + ((2u * id + 1) << (2 + doorbell_stride)),
    };
}

/* One identifier fewer than entries: so at most depth - 1 commands are out, and the tail never catches up
 * with the head. */
bool nvme_queue_free_cid(const struct nvme_queue *queue, uint16_t *cid)
{
    uint64_t usable = ~0ull >> (65 - queue->depth);
    uint64_t idle = usable & ~queue->busy;

    if (!idle)
        return false;
    *cid = (uint16_t)__builtin_ctzll(idle);
    return true;
}

int nvme_queue_put(struct nvme_queue *queue, const struct nvme_command *command, uint16_t *cid)
{
    struct nvme_command *entry = &queue->commands[queue->tail];

    if (!nvme_queue_free_cid(queue, cid))
        return ERR_BUSY;
    *entry = *command;
    entry->cdw0 |= (uint32_t)*cid << 16;
    queue->busy |= 1ull << *cid;
    queue->tail = (uint16_t)(queue->tail + 1) % queue->depth;
    return 0;
}

void nvme_queue_ring(struct nvme_queue *queue)
{
    /* The entry, in write-back memory, is stored before the doorbell, which is uncached: x86 keeps that order
     * by itself. */
    compiler_barrier();
    platform_mmio_write32(queue->tail_doorbell, queue->tail);
}

bool nvme_queue_poll(struct nvme_queue *queue, struct nvme_result *result)
{
    struct nvme_completion *entry = &queue->completions[queue->head];
    /* Acquire: the phase bit is looked at before the rest of the entry, and before the data that it
     * announces. */
    uint32_t dw3 = atomic_read_acquire(&entry->dw3);

    if ((dw3 & NVME_DW3_PHASE) != queue->phase)
        return false;
    *result = (struct nvme_result){NVME_DW3_CID(dw3), NVME_DW3_STATUS(dw3), atomic_read(&entry->dw0)};
    queue->head = (uint16_t)(queue->head + 1) % queue->depth;
    if (queue->head == 0)
        queue->phase ^= NVME_DW3_PHASE;
    platform_mmio_write32(queue->head_doorbell, queue->head);
    if (result->cid >= NVME_QUEUE_DEPTH_MAX || !(queue->busy >> result->cid & 1)) {
        log_error("nvme: queue %u completes command %u, which is not out", queue->id, result->cid);
        return false;
    }
    queue->busy &= ~(1ull << result->cid);
    return true;
}

int nvme_queue_run(struct nvme_queue *queue, const struct nvme_command *command, uint32_t *dw0)
{
    struct nvme_result result;
    uint16_t cid;
    int error = nvme_queue_put(queue, command, &cid);

    if (error)
        return error;
    nvme_queue_ring(queue);
    if (!wait_until(nvme_queue_poll(queue, &result), COMMAND_TIMEOUT_NS)) {
        log_error("nvme: queue %u: command %#x did not complete in time", queue->id, command->cdw0);
        return ERR_TIMEOUT;
    }
    if (result.status) {
        log_error("nvme: queue %u: command %#x: %s (status %#x)", queue->id, command->cdw0,
                  nvme_status_text(result.status), result.status);
        return ERR_HARDWARE;
    }
    if (dw0)
        *dw0 = result.dw0;
    return 0;
}

const char *nvme_status_text(uint16_t status)
{
    static const struct {
        uint16_t code;
        const char *text;
    } texts[] = {
        {0x000, "success"},
        {0x001, "invalid opcode"},
        {0x002, "invalid field"},
        {0x003, "command identifier in use"},
        {0x004, "data transfer error"},
        {0x005, "aborted by power loss"},
        {0x006, "internal error"},
        {0x007, "aborted on request"},
        {0x008, "aborted with its queue"},
        {0x00b, "invalid namespace or format"},
        {0x013, "invalid PRP offset"},
        {0x080, "block out of range"},
        {0x081, "capacity exceeded"},
        {0x082, "namespace not ready"},
        {0x100, "invalid completion queue"},
        {0x101, "invalid queue identifier"},
        {0x102, "invalid queue size"},
        {0x108, "invalid interrupt vector"},
        {0x281, "unrecovered read error"},
        {0x282, "guard check failed"},
        {0x286, "access denied"},
        {0x287, "unwritten block"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
        if (texts[i].code == NVME_STATUS_CODE(status))
            return texts[i].text;
    }
    return "unknown status";
}
