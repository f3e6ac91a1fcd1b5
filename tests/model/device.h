/* SPDX-License-Identifier: BSD-2-Clause */
/* A device behind a unit: sends requests, and may have a device TLB (ATS). */
#pragma once

#include "tests/model/cache.h"
#include "tests/model/request.h"
#include "tests/model/unit.h"
#include <stdbool.h>
#include <stdint.h>

/* What watches a device's requests. Each may be NULL. */
struct device_watch {
    void (*begins)(void *context, const struct request *request);
    void (*lands)(void *context, const struct request *request);   /* before it counts as landed */
    void (*refused)(void *context, const struct request *request); /* with the reason */
    void *context;
};

struct device {
    const char *name;
    struct unit *unit;
    uint16_t source_id;
    bool has_ats;
    bool ats_on;     /* ATS is enabled: it goes by its TLB, and answers invalidations */
    bool bus_master; /* Bus Master Enable of its PCI command register: without it no request is sent */
    struct device_watch watch;

    /* Its TLB: translations that the unit answered. */
    struct cache tlb;
    bool silent; /* does not answer invalidations */
    bool late;   /* answers them after the unit gave up */
    bool going;  /* sends no request any more, */
    bool gone;   /* and is not there any more */

    struct device_traffic *traffic; /* what it has sent, and invalidations that it has to answer */
};

/* Makes it, known to device_find(), behind the unit that covers its source-id. */
void device_make(struct device *device, const char *name, uint16_t source_id, bool has_ats);

/* One access of a page at iova, without PASID, as the device's agent; by its TLB where it has one. Returns
 * false if it was refused, or the device is no bus master. A write is posted: it may land any time until a
 * read returns, an invalidation drains it, or device_drain(). */
bool device_access(struct device *device, uint64_t iova, bool write);
bool device_access_pasid(struct device *device, uint32_t pasid, uint64_t iova, bool write);

/* The address that the device was asked to access, also where the request carries another one. */
uint64_t device_request_iova(const struct request *request);

/* Takes it out of its slot: it does nothing any more and answers nothing, configuration space included. What
 * it had sent has landed by then. */
void device_go_away(struct device *device);

/* Its configuration space: the command register, ATS where it has that, and PCI Express's status, which tells
 * whether reads of it are under way. A device of device_make() has ATS on if it has it; one whose software
 * goes by its configuration space is switched off first. */
uint32_t device_config_read(struct device *device, unsigned offset);
void device_config_write(struct device *device, unsigned offset, unsigned bytes, uint32_t value);
void device_ats_switch(struct device *device, bool on);

/* Waits until all that it sent has landed. */
void device_drain(struct device *device);

#define DEVICE_ALL_PASIDS (~0u)

/* The unit asks it to drop [iova, iova + 2^lg2), of requests without PASID, of one, or of all: drops, lets
 * what used it land, and answers with unit_queue_answer() at some later step; or not, if it is silent. */
void device_invalidate(struct device *device, bool has_pasid, uint32_t pasid, uint64_t iova, unsigned lg2,
                       unsigned tag);

/* The device with this source-id; NULL if there is none. */
struct device *device_find(uint16_t source_id);
