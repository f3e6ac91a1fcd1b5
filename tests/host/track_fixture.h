/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain on hardware that only takes notes, for tests of tracking. */
#pragma once

#include "iommu/domain.h"
#include "lib/units.h"
#include <stdbool.h>
#include <stdint.h>

#define BASE   0x100000000ull
#define OTHERS (1ull << 40) /* memory of somebody else's, for large leaves */

struct track_hardware {
    unsigned starts, stops, invalidations, harvests;
    int track_result, result;
    unsigned flags;       /* of the last harvest */
    uint64_t audit_dirty; /* that a harvest is to find */
    struct iommu_pruning pruning;
    bool cannot;
    void (*on_track)(struct iommu_domain *of, bool on);
    void (*on_unlink)(struct iommu_domain *of); /* before an unmap takes anything out */
    void (*on_invalidate)(struct iommu_domain *of);
};

extern struct track_hardware track_hardware;
extern struct iommu_domain *track_domain;
extern const struct iommu_domain_ops track_ops, track_locked_ops;
extern uint64_t track_dma; /* 4 MiB of memory for devices */

/* What the caller's bitmap has, and what track->unmapped has, from BASE on. */
#define TRACK_WORDS 32
extern uint64_t track_words[TRACK_WORDS], track_gone_words[TRACK_WORDS];
extern struct dirty_bitmap track_bitmap, track_gone;

extern const struct iommu_track track_off, track_bits, track_all_writable;

/* Once, before all tests; and around each, which begins with a domain that is not tracked. */
void track_init(void);
int track_setup(void **state);
int track_teardown(void **state);

/* Makes the domain; the second one anew, with other flags of hardware. */
void track_make(const struct iommu_domain_ops *ops);
void track_make_again(void);

enum iommu_tracking track_how(void);
int track_map(uint64_t iova, uint64_t bytes);
void track_write(uint64_t iova);
unsigned track_level_at(uint64_t iova);

/* Bits that are set in TRACK_WORDS words. */
uint64_t track_count(const uint64_t *in);

/* All of the bitmap, emptied first, with HARVEST_PRUNED() of the number of the harvest. */
void track_harvest(int expected);
