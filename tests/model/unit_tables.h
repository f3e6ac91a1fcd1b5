/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the unit that read tables share: unit_context.c, unit_pasid.c, unit_iotlb.c, unit_walk.c,
 * unit_translate.c. */
#pragma once

#include "lib/platform.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"
#include "tests/model/unit.h"
#include <stdbool.h>
#include <stdint.h>

/* Root, context and PASID tables, and the page tables of legacy mode (ECAP.C, 11.4.3). */
static inline enum memory_view unit_tables_view(const struct unit *unit)
{
    return unit->config.ecap & SPEC_ECAP_C ? MEMORY_SNOOPED : MEMORY_UNSNOOPED;
}

/* Bits of an entry that only units with an ECAP bit know. */
static inline uint64_t unit_reserved_without(const struct unit *unit, uint64_t ecap, uint64_t bits)
{
    return unit->config.ecap & ecap ? 0 : bits;
}

/* What caching mode keeps of what is not there is tagged so (6.1). */
#define UNIT_NOT_PRESENT_DID 0

/* A word of an entry as the CPUs see it now, without a step of the schedule. */
static inline uint64_t unit_peek(uint64_t hpa)
{
    return *(const volatile uint64_t *)phys_to_virt(hpa);
}

/* Ends the run with VIOLATION_RESERVED_BITS if the word at hpa has any of these bits. */
void unit_check_reserved(const struct unit *unit, const struct request *request, const char *what,
                         uint64_t hpa, uint64_t word, uint64_t reserved);

/* Ends the run with the same: the entry asks for what the unit does not have, or makes no sense. */
void unit_check_programmed(const struct unit *unit, const struct request *request, const char *what,
                           uint64_t hpa, bool good, const char *requirement);

/* A domain id of an entry: within CAP.ND, and not 0 in caching mode. */
void unit_check_did(const struct unit *unit, const struct request *request, const char *what, uint64_t hpa,
                    uint16_t did);

/* AW of an entry that has a second stage or passes through: levels that CAP.SAGAW has. */
bool unit_has_levels(const struct unit *unit, unsigned levels);

/* --- unit_pasid.c: goes on where a scalable-mode context entry was found. */
void unit_route_pasid(struct unit *unit, struct request *request, const uint64_t *context,
                      struct unit_walk *walk, uint8_t *reason);
void unit_check_pasid_entries(const struct unit *unit);

/* --- unit_iotlb.c */

enum unit_hit {
    HIT_NONE,    /* a walk is needed */
    HIT_ALLOWED, /* *result says where it goes */
    HIT_REFUSED,
};

/* Looks a request up by its source, without a look at any context entry: that is up to the unit. */
enum unit_hit unit_iotlb_by_source(struct unit *unit, struct request *request,
                                   struct cached_translation *result);

/* Looks it up by what walk says that its translations are tagged with. */
enum unit_hit unit_iotlb_by_tags(struct unit *unit, const struct request *request,
                                 const struct unit_walk *walk, struct cached_translation *result);

/* Keeps a translation, or in part, unless an invalidation that came meanwhile says that it must not. */
void unit_iotlb_fill(struct unit *unit, const struct request *request,
                     struct cached_translation *translation);
