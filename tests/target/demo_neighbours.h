/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's neighbour: maps and unmaps beside the tracked range all the while, so that table pages go
 * through gather and RCU while passes walk the tree. A round is one event on its CPU, which posts the next.
 *
 * Now and then it probes: it maps a page, has a device write there, unmaps it, maps another page at the same
 * IOVA, and has the device write again. That must land in the second page: a unit that still held the first
 * translation would write the first. */
#pragma once

#include "arch/cpu/event.h"
#include "arch/devices/dma_memory.h"
#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "tests/target/nvme.h"
#include "tests/target/random.h"
#include <stdbool.h>
#include <stdint.h>

struct demo_neighbours {
    struct work work;
    unsigned cpu;
    struct iommu_domain *domain;
    struct nvme *nvme; /* its second I/O queue is for probes; NULL: no probes */
    struct random random;
    char *block;               /* 2 MiB of memory that all neighbours show */
    struct dma_memory scratch; /* a page that stays mapped: what the disk holds */
    uint32_t stop;             /* atomic */
    uint32_t running;          /* atomic: the rest of this belongs to its CPU */
    uint64_t rounds;
    uint64_t probes;
    uint64_t strays; /* probes whose data landed in the wrong page */
    int error;       /* what ended it */
};

/* ERR_NOMEM, and as iommu_map(). demo_neighbours_destroy() is due also then. */
int demo_neighbours_init(struct demo_neighbours *neighbours, unsigned cpu, struct iommu_domain *domain,
                         struct nvme *nvme, uint64_t seed) MUST_CHECK;

/* Unmaps what is left of it and frees its memory. As iommu_unmap(); the memory is then kept. */
int demo_neighbours_destroy(struct demo_neighbours *neighbours) MUST_CHECK;

void demo_neighbours_start(struct demo_neighbours *neighbours);

/* Asks it to end, and tells whether it has. */
void demo_neighbours_stop(struct demo_neighbours *neighbours);
bool demo_neighbours_done(struct demo_neighbours *neighbours);
