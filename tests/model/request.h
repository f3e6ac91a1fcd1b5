/* SPDX-License-Identifier: BSD-2-Clause */
/* A request of a device on its way through a unit. */
#pragma once

#include "lib/list.h"
#include <stdbool.h>
#include <stdint.h>

enum request_type {
    REQUEST_UNTRANSLATED,
    REQUEST_TRANSLATION, /* ATS: asks where an address goes; the device keeps the answer */
    REQUEST_TRANSLATED,  /* ATS: carries an HPA already */
};

enum request_state {
    REQUEST_WALKING, /* the unit is finding out where it goes */
    REQUEST_POSTED,  /* it knows; the access itself has not happened yet */
    REQUEST_LANDED,
    REQUEST_REFUSED,
};

struct device;

struct request {
    /* As the device sent it. */
    struct device *device;
    uint16_t source_id;
    enum request_type type;
    bool has_pasid;
    uint32_t pasid;
    uint64_t iova; /* REQUEST_TRANSLATED: the HPA */
    bool write;

    /* What became of it. */
    enum request_state state;
    uint64_t hpa;               /* from REQUEST_POSTED on */
    unsigned page_lg2;          /* size of the translation */
    bool writable;              /* the translation allows writing: answer of a REQUEST_TRANSLATION */
    uint8_t reason;             /* of the fault, from REQUEST_REFUSED on; 0 where there is none */
    uint64_t target_generation; /* which page was at hpa when it was translated */

    /* The unit's own. */
    struct list link;     /* on the unit's list of requests under way */
    uint64_t started;     /* schedule_step() */
    bool has_did;         /* context and PASID entry are known, and with them */
    uint16_t did;         /* these tags of what it reads */
    uint32_t tag_pasid;   /* PASID that its entries are cached under; only first stage uses it */
    bool first_stage;     /* the tree that it walks is a first-stage one */
    bool no_fill_context; /* an invalidation that is to outlast it has been carried out: it may use what */
    bool no_fill_pasid;   /* it has read, but put nothing of the kind into a cache any more */
    bool no_fill_iotlb;
    uint8_t awaited; /* by invalidations that began after it did: a bit for each agent that does them */
};
