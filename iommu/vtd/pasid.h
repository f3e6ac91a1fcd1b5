/* SPDX-License-Identifier: BSD-2-Clause */
/* PASID directories and tables (9.5, 9.6): each attached device has one of its own, with one entry. */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include "lib/pt/pt.h"
#include <stdint.h>

/* The PASID that requests without PASID go by. Units without ECAP.RPS know no other for them. */
#define VTD_RID_PASID 0

/* The directory has 2^(PDTS + 7) entries: the smallest, of which one is used. */
#define VTD_PASID_PDTS 0

struct vtd_pasid_entry {
    uint64_t word[8];
};

_Static_assert(sizeof(struct vtd_pasid_entry) == 64, "512 bits (9.6)");

/* A directory with its first table and nothing present in that; NULL when there is no memory. */
uint64_t *vtd_pasid_make(const struct vtd_unit *unit) MUST_CHECK;

/* Gives both back. No unit reads them any more. */
void vtd_pasid_free(uint64_t *directory);

/* Makes the entry of VTD_RID_PASID present: first-stage translation through tree, cached under did. */
void vtd_pasid_set_first_stage(const struct vtd_unit *unit, uint64_t *directory, const struct pt *tree,
                               uint16_t did);

/* Takes its present bit away and leaves the rest until an invalidation has completed (6.5.3.3). */
void vtd_pasid_retract(const struct vtd_unit *unit, uint64_t *directory);

/* The domain id that its entry has or had. */
uint16_t vtd_pasid_did(uint64_t *directory);
