/* SPDX-License-Identifier: BSD-2-Clause */
/* What an invalidation covers, for unit_invalidate.c and unit_scope.c. */
#pragma once

#include "tests/model/request.h"
#include "tests/model/unit.h"
#include <stdbool.h>
#include <stdint.h>

enum scope_kind {
    SCOPE_CONTEXT,
    SCOPE_PASID_CACHE,
    SCOPE_IOTLB,       /* 6.5.2.3: meant for second stage, and rude to first stage */
    SCOPE_PASID_IOTLB, /* 6.5.2.4 */
};

/* Everything of the kind, unless one of these says less. */
struct scope {
    enum scope_kind kind;
    bool by_source;
    uint16_t source_id;
    uint16_t source_mask; /* bits of it that count */
    bool by_did;
    uint16_t did;
    bool by_pasid;
    uint32_t pasid;
    bool by_address;
    uint64_t iova;
    unsigned lg2;     /* of the bytes from there */
    bool leaves_only; /* table entries may stay (IH) */
};

/* Drops what is cached and in scope. */
void scope_drop(struct unit *unit, const struct scope *scope);

/* Whether a request that is walking may have read something that is in scope, and act on it still. */
bool scope_walks(const struct scope *scope, const struct request *request);

/* Whether the access of a request is one that a drain of the scope is about (6.5.4). */
bool scope_drains(const struct scope *scope, const struct request *request);
