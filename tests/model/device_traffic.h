/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device has under way, and its TLB: for device.c and device_tlb.c. */
#pragma once

#include "tests/model/device.h"
#include "tests/model/request.h"
#include <stdbool.h>
#include <stdint.h>

#define DEVICE_SENT_MAX    8
#define DEVICE_TO_DROP_MAX 32 /* invalidations that a device must take in (PCI Express, 10.3.7) */

struct sent {
    struct request request;
    bool in_use;
    bool posted;        /* a write that the device does not wait for */
    bool stale;         /* a translation request whose answer must not be kept */
    bool tlb_has_pasid; /* a translated request: whose entry it was made of */
    uint32_t tlb_pasid;
    uint64_t iova;
};

/* An invalidation to carry out. */
struct to_drop {
    bool has_pasid;
    uint32_t pasid;
    uint64_t iova;
    unsigned lg2;
    unsigned tag;
};

struct device_traffic {
    struct sent sent[DEVICE_SENT_MAX];
    struct to_drop to_drop[DEVICE_TO_DROP_MAX];
    unsigned to_drop_count;
};

void device_tlb_make(struct device *device);

/* Keeps the answer of a translation request. */
void device_tlb_add(struct device *device, const struct sent *sent);

/* True if an entry allows the access, with *hpa where it goes. */
bool device_tlb_lookup(struct device *device, bool has_pasid, uint32_t pasid, uint64_t iova, bool write,
                       uint64_t *hpa);

/* Drops all, answers on their way included. */
void device_tlb_forget(struct device *device);

/* Whether something that it waits for the answer of is under way. */
bool device_awaits_answers(const struct device *device);

/* Writes that it sent land. */
void device_push_writes(struct device *device);

/* Carries out what units ask to drop: body of the device's agent. */
void device_answer_agent(void *device);
