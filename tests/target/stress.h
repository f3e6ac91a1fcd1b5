/* SPDX-License-Identifier: BSD-2-Clause */
/* A stress of dirty tracking: devices write, one CPU harvests and copies what was reported, another maps and
 * unmaps, splits and merges under the devices' hands. What a unit does to entries that change while it walks
 * decides whether it comes out right.
 *
 * The kept pages stay mapped: some as 4 KiB leaves, the others as one of 2 MiB that is split and merged all
 * the time. What is reported of them is copied, so that in the end the copies are all there is: a page that
 * differs from its copy was written and not reported, or copied before its data was there. Each single write
 * to the small leaves is judged as well (ledger.h), for a later one would hide that it was lost. The slots
 * are mapped for one read of the disk, and unmapped while it is under way. After that nobody reaches the
 * page, the entry stays empty, and if it was written then somebody has reported it. */
#pragma once

#include "arch/devices/dma_memory.h"
#include "iommu/iommu.h"
#include "lib/atomic.h"
#include "lib/compiler.h"
#include "lib/units.h"
#include "tests/target/edu.h"
#include "tests/target/ledger.h"
#include "tests/target/nvme.h"
#include "tests/target/random.h"
#include <stdbool.h>
#include <stdint.h>

#define STRESS_NVME_IOVA (256 * MIB)
#define STRESS_KEPT_IOVA (4 * GIB)
#define STRESS_BLOCK     512u               /* kept pages: 2 MiB */
#define STRESS_KEPT      (2 * STRESS_BLOCK) /* the first block as 4 KiB leaves, the second as it comes */
#define STRESS_SLOT_IOVA (5 * GIB)
#define STRESS_SLOTS     32u
#define STRESS_SLOT_SPAN (2 * MIB) /* how far apart at most */

/* A page that is mapped now and then. The mapper's, but for the atomics. */
struct stress_slot {
    unsigned char *page;
    uint32_t mapped_before;
    uint32_t harvested;      /* atomic: some pass has reported it since it was mapped */
    uint32_t passes_to_wait; /* until whose end that may still come */
    bool written;            /* by the device, while it was mapped */
    bool reported;           /* by the unmap */
};

#define STRESS_CHANGED_IOVA (STRESS_KEPT_IOVA + STRESS_BLOCK * PAGE_SIZE)
#define STRESS_CHANGED_LAST (STRESS_KEPT_IOVA + STRESS_KEPT * PAGE_SIZE - 1)

/* What went wrong, by kind; each counted by one CPU, but for the error. */
struct stress_wrong {
    bool resurrected;    /* an entry came back after its unmap: the mapper has stopped then */
    uint32_t late;       /* a page that was written after its unmap */
    uint32_t unreported; /* a page that was written and unmapped, and reported by nobody */
    uint32_t missed;     /* writes to pages that stay, 4 KiB each, in no pass that could have them */
    uint32_t stale;      /* kept pages that differ from their copies in the end */
    int error;           /* atomic: the last one, of a map, an unmap, a harvest, a transfer */
};

struct stress {
    struct iommu_domain *domain;
    struct nvme nvme;
    struct edu edu;
    bool has_nvme, has_edu;
    unsigned char *kept, *copies, *slot_pages;
    uint64_t *bitmap;
    struct ledger ledger; /* of the first block; a write to the second may be a merge's to tell later */
    struct ledger_write writes[NVME_QUEUE_DEPTH_MAX], edu_write; /* by command identifier */
    struct harvest_stats found;
    uint64_t slot_stride;
    uint64_t head_start_ns; /* from a device's order to the unmap: the mapper's */
    struct stress_slot slots[STRESS_SLOTS];
    struct stress_wrong wrong;
    /* How far it got. */
    uint32_t passes, copied, maps, changes, reads, edu_transfers;
    /* Between CPUs, all atomic. */
    uint32_t stop;
    uint32_t passes_begun, passes_ended;
    uint32_t wanted; /* 1 + the slot that a read is wanted for; 0: none */
};

static inline void stress_fail(struct stress *stress, int error)
{
    atomic_write(&stress->wrong.error, error);
}

static inline bool stress_failed(const struct stress *stress)
{
    return atomic_read(&stress->wrong.error) != 0;
}

/* IOVA of a slot. */
uint64_t stress_slot_iova(const struct stress *stress, unsigned slot);

/* Makes the domain, puts NVMe and edu (if there is one) into it and maps the kept pages. Slots lie
 * slot_stride apart: PAGE_SIZE in one table that stays, or STRESS_SLOT_SPAN each in a table that goes with
 * it. False: it cannot be, and the test has said so; nothing is left then. */
bool stress_open(struct stress *stress, uint64_t slot_stride) MUST_CHECK;

/* Takes all that down; what does not work is a failed check. */
void stress_close(struct stress *stress);

/* The roles, each for one CPU; context is the stress. The mapper and the harvester end after stop; the writer
 * goes on for so long, then sets stop and waits for its devices. False: a device does not answer. */
void stress_map(void *context);
void stress_harvest(void *context);
bool stress_write(struct stress *stress, uint64_t ns) MUST_CHECK;

/* One pass: harvests everything, or what was touched, and copies the kept pages that it reports; returns how
 * many. One at a time. */
uint32_t stress_pass(struct stress *stress, bool whole);
