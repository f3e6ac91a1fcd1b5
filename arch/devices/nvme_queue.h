/* SPDX-License-Identifier: BSD-2-Clause */
/* One pair of NVMe queues: commands out, completions in, polled. One CPU at a time uses a pair; pairs are
 * independent. */
#pragma once

#include "arch/devices/nvme_regs.h"
#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

/* At most: one page holds the submission queue, one word says which command identifiers are busy. */
#define NVME_QUEUE_DEPTH_MAX 64

struct nvme_queue {
    uint16_t id; /* 0: the admin queues */
    uint16_t depth;
    uint16_t tail;  /* next free submission entry */
    uint16_t head;  /* next completion entry to look at */
    uint32_t phase; /* what NVME_DW3_PHASE is in an entry that is new */
    uint64_t busy;  /* bit n: command identifier n is with the device */
    struct nvme_command *commands;
    struct nvme_completion *completions; /* the device writes them */
    volatile void *tail_doorbell;
    volatile void *head_doorbell;
};

struct nvme_result {
    uint16_t cid;
    uint16_t status; /* 0: success */
    uint32_t dw0;
};

/* Both entry arrays are zeroed pages; registers are the controller's, doorbell_stride its CAP.DSTRD. */
void nvme_queue_init(struct nvme_queue *queue, uint16_t id, uint16_t depth, void *commands, void *completions,
                     volatile void *registers, uint32_t doorbell_stride);

/* Puts a command into the queue, with an identifier of its own in *cid; the device sees it with
 * nvme_queue_ring(). ERR_BUSY: full. */
int nvme_queue_put(struct nvme_queue *queue, const struct nvme_command *command, uint16_t *cid) MUST_CHECK;

/* True if nvme_queue_put() would take a command; *cid is the identifier that it would get. */
bool nvme_queue_free_cid(const struct nvme_queue *queue, uint16_t *cid) MUST_CHECK;

/* Hands all that was put to the device. */
void nvme_queue_ring(struct nvme_queue *queue);

/* Takes one completion. False: none is there (or it was nonsense, which the log tells). */
bool nvme_queue_poll(struct nvme_queue *queue, struct nvme_result *result) MUST_CHECK;

/* Puts, rings and waits, for a queue with nothing else in it; runs no events. ERR_BUSY, ERR_TIMEOUT,
 * ERR_HARDWARE (the log has the status in words). dw0 may be NULL. */
int nvme_queue_run(struct nvme_queue *queue, const struct nvme_command *command, uint32_t *dw0) MUST_CHECK;

/* A status in words. */
const char *nvme_status_text(uint16_t status);
