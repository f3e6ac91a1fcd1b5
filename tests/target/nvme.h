/* SPDX-License-Identifier: BSD-2-Clause */
/* An NVMe driver that only ever reads: the disk stays as it is, and the device writes memory. What it adds to
 * the controller is I/O queues and a namespace.
 *
 * Everything that the controller is given lies in pages for DMA that are mapped in its domain: queues and PRP
 * lists in a window of NVME_IOVA_BYTES, and the pages that a read names. Opening, closing and identifying:
 * one CPU. Each I/O queue: one CPU at a time. */
#pragma once

#include "arch/devices/nvme_controller.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include "lib/units.h"
#include <stdint.h>

#define NVME_IO_QUEUES_MAX  3
#define NVME_READ_PAGES_MAX 128 /* one PRP, and a list that fits its KiB */

/* 16 pages of queues, then for each I/O queue 16 pages of PRP lists, 1 KiB for each command. */
#define NVME_MEMORY_ORDER 6
#define NVME_IOVA_BYTES   (NVME_CONTROLLER_BYTES + (PAGE_SIZE << NVME_MEMORY_ORDER))

struct nvme {
    struct nvme_controller controller;
    struct dma_memory memory;
    struct nvme_queue io[NVME_IO_QUEUES_MAX];
    unsigned io_queues; /* that the controller gave us */
    uint32_t nsid;
    uint32_t blocks_per_page_lg2;
    uint64_t pages;      /* 4 KiB pages in the namespace */
    unsigned read_pages; /* at most in one command */
};

/* Opens the controller (nvme_controller_open()) with up to io_queues (1 to NVME_IO_QUEUES_MAX) I/O queues;
 * the window is [iova, iova + NVME_IOVA_BYTES). When it fails nothing stays attached or mapped. ERR_TIMEOUT,
 * ERR_HARDWARE, ERR_UNSUPPORTED (what is missing is in the log), ERR_NOT_FOUND (no namespace), and as
 * pci_bar_map(), iommu_attach() and iommu_map(). */
int nvme_open(struct nvme *nvme, struct pci_address function, struct iommu_domain *domain, uint64_t iova,
              unsigned io_queues) MUST_CHECK;

/* Closes the controller and frees the window. The first error, after everything was tried. */
int nvme_close(struct nvme *nvme) MUST_CHECK;

/* Puts a read of count pages (1 to nvme->read_pages) of the disk, from disk_page on, into I/O queue queue;
 * the data goes to the pages at iovas, in that order. The device sees it with nvme_queue_ring(). ERR_BUSY:
 * the queue is full; ERR_RANGE. */
int nvme_read_put(struct nvme *nvme, unsigned queue, uint64_t disk_page, const uint64_t *iovas,
                  unsigned count, uint16_t *cid) MUST_CHECK;

/* The same, and waits for it, in a queue with nothing else in it. Errors also as nvme_queue_run(). */
int nvme_read(struct nvme *nvme, unsigned queue, uint64_t disk_page, const uint64_t *iovas, unsigned count)
    MUST_CHECK;
