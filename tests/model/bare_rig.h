/* SPDX-License-Identifier: BSD-2-Clause */
/* What most tests of invalidation begin with: a unit, a tree, and a device that goes on accessing it while
 * software takes pages away. */
#pragma once

#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/device.h"
#include "tests/model/spec_descriptors.h"
#include <stdbool.h>
#include <stdint.h>

/* Pages that are mapped at first, side by side under one table of the lowest level. */
#define RIG_PAGES  2
#define RIG_IOVA   0x40200000ull
#define RIG_DID    5
#define RIG_SOURCE 0x0010

/* So often the device accesses each page at most. */
#define RIG_ROUNDS 40

struct rig {
    struct unit *unit;
    enum bare_stage stage;
    unsigned levels;
    uint64_t *root;
    uint64_t hpa; /* of the first page */
    struct device device;
    bool reads;     /* the device reads, too */
    uint32_t pasid; /* that it goes by; 0: it has none */
    bool ends;
    struct agent *agent;
};

/* By a stage of scalable mode; or by legacy mode. A watched device; ats: it has a TLB. All is calm still. */
void rig_make(struct rig *rig, const struct unit_config *config, enum bare_stage stage, bool ats);
void rig_make_legacy(struct rig *rig, const struct unit_config *config, bool ats);

/* The page's leaf, and its address. */
uint64_t rig_iova(unsigned page);
uint64_t *rig_slot(struct rig *rig, unsigned page, unsigned level);

/* The device accesses each page once, so that all is cached that can be; in calm. */
void rig_warm(struct rig *rig);

/* The calm is over: the device accesses all pages, over and over. It does so a last time, and is through. */
void rig_go(struct rig *rig);
void rig_end(struct rig *rig);

/* Takes a page's leaf away. */
void rig_clear(struct rig *rig, unsigned page);

/* Put into the queue, not submitted yet. What invalidates 2^mask pages from the page on, by the stage; leaves
 * only: table entries may stay. */
void rig_put_iotlb(struct rig *rig, unsigned page, unsigned mask, bool leaves_only);

/* Of the device's TLB, one page: of requests without PASID; and of one PASID, or of all. */
void rig_put_device_tlb(struct rig *rig, unsigned page);
void rig_put_pasid_device_tlb(struct rig *rig, unsigned page, bool all_pasids);

/* A wait of the device's own choice of status word (0 to 15), which becomes 1; fence: what follows waits. */
void rig_put_wait(struct rig *rig, unsigned word, bool fence);

/* Waits until it is. False if that takes too long, or if the unit reports an error that stops the queue. */
bool rig_wait(struct rig *rig, unsigned word);

/* What follows an unmap: IOTLB, submitted and waited for; and the page is forbidden. */
void rig_invalidate(struct rig *rig, unsigned page);
