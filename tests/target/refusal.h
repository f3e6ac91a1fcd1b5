/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a unit refuses a request, and which fault reasons may say so. */
#pragma once

#include "iommu/vtd/unit.h"
#include <stdbool.h>
#include <stdint.h>

enum refusal {
    REFUSAL_BLOCKED,       /* the device is in no domain */
    REFUSAL_NOT_MAPPED,    /* its domain maps nothing there */
    REFUSAL_NOT_PERMITTED, /* or not for this kind of request */
    REFUSAL_BEYOND,        /* the address is wider than its domain's */
};
#define REFUSALS 4

/* Whether a unit that refuses a request for this cause records this reason (7.1.3), for a domain of the stage
 * that domains have here. */
bool refusal_has_reason(const struct vtd_unit *unit, enum refusal refusal, bool write, uint8_t reason);
