/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: reads, their data pages named by PRPs. */

#include "lib/error.h"
#include "lib/log.h"
#include "tests/target/nvme.h"

#define LIST_BYTES       1024u
#define LISTS_PAGE       16u /* of its memory: the first page of PRP lists */
#define LIST_QUEUE_PAGES 16u

_Static_assert((NVME_READ_PAGES_MAX - 1) * sizeof(uint64_t) <= LIST_BYTES,
               "a list lies in one piece, in one page");
_Static_assert(NVME_QUEUE_DEPTH_MAX *LIST_BYTES == LIST_QUEUE_PAGES * PAGE_SIZE, "each command has a list");
_Static_assert(LISTS_PAGE + NVME_IO_QUEUES_MAX * LIST_QUEUE_PAGES <= 1u << NVME_MEMORY_ORDER,
               "the window holds them");

/* PRP2 is the second page of two, and of more the list of all but the first. */
static uint64_t nvme_prp2(struct nvme *nvme, unsigned queue, uint16_t cid, const uint64_t *iovas,
                          unsigned count)
{
    char *lists = (char *)nvme->memory.address + (LISTS_PAGE + queue * LIST_QUEUE_PAGES) * PAGE_SIZE;
    uint64_t *list = (uint64_t *)(void *)(lists + cid * LIST_BYTES);

    if (count == 1)
        return 0;
    if (count == 2)
        return iovas[1];
    for (unsigned i = 1; i < count; i++)
        list[i - 1] = iovas[i];
    return dma_memory_iova(&nvme->memory, list);
}

static int nvme_read_command(struct nvme *nvme, unsigned queue, uint64_t disk_page, const uint64_t *iovas,
                             unsigned count, struct nvme_command *command)
{
    uint64_t block = disk_page << nvme->blocks_per_page_lg2;
    uint16_t cid;

    if (count == 0 || count > nvme->read_pages || disk_page >= nvme->pages ||
        count > nvme->pages - disk_page) {
        log_error("nvme: %u pages from %llu on cannot be read", count, (unsigned long long)disk_page);
        return ERR_RANGE;
    }
    /* The command's list is chosen by the identifier that the queue will give it. */
    if (!nvme_queue_free_cid(&nvme->io[queue], &cid))
        return ERR_BUSY;
    *command = (struct nvme_command){
        .cdw0 = NVME_READ,
        .nsid = nvme->nsid,
        .prp1 = iovas[0],
        .prp2 = nvme_prp2(nvme, queue, cid, iovas, count),
        .cdw10 = (uint32_t)block,
        .cdw11 = (uint32_t)(block >> 32),
        .cdw12 = (count << nvme->blocks_per_page_lg2) - 1,
    };
    return 0;
}

int nvme_read_put(struct nvme *nvme, unsigned queue, uint64_t disk_page, const uint64_t *iovas,
                  unsigned count, uint16_t *cid)
{
    struct nvme_command command;
    int error = nvme_read_command(nvme, queue, disk_page, iovas, count, &command);

    return error ? error : nvme_queue_put(&nvme->io[queue], &command, cid);
}

int nvme_read(struct nvme *nvme, unsigned queue, uint64_t disk_page, const uint64_t *iovas, unsigned count)
{
    struct nvme_command command;
    int error = nvme_read_command(nvme, queue, disk_page, iovas, count, &command);

    return error ? error : nvme_queue_run(&nvme->io[queue], &command, NULL);
}
