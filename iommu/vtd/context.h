/* SPDX-License-Identifier: BSD-2-Clause */
/* Scalable-mode root and context tables (9.2, 9.4): which devices have a PASID directory, and are not
 * blocked. */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdint.h>

struct vtd_context_entry {
    uint64_t word[4];
};

_Static_assert(sizeof(struct vtd_context_entry) == 32, "256 bits (9.4)");

#define VTD_CONTEXT_PRESENT (1ull << 0)

/* The device's context entry, whose table is made and linked if it is not there yet; NULL when there is no
 * memory for it. */
struct vtd_context_entry *vtd_context_make(struct vtd_unit *unit, struct pci_address device) MUST_CHECK;

/* The device's context entry, NULL if its table was never made. */
struct vtd_context_entry *vtd_context_find(const struct vtd_unit *unit, struct pci_address device);

/* Makes the entry present: requests without PASID go by PASID 0 of the directory at hpa, those with PASID and
 * translated ones are refused. The entry is all zero before. */
void vtd_context_set(const struct vtd_unit *unit, struct vtd_context_entry *entry, uint64_t directory_hpa);

/* Takes the present bit away and leaves the rest, which the unit may be reading still: until an invalidation
 * has completed it belongs to both (6.5.3.3). */
void vtd_context_retract(const struct vtd_unit *unit, struct vtd_context_entry *entry);

/* Clears what vtd_context_retract() left. */
void vtd_context_clear(const struct vtd_unit *unit, struct vtd_context_entry *entry);

/* The PASID directory of an entry that was set and not cleared; NULL if there is none. */
uint64_t *vtd_context_directory(const struct vtd_context_entry *entry);

/* Gives back root and context tables, if there are any, and the PASID tables of devices that are still in
 * them. The unit is off, and nobody will use it any more. */
void vtd_context_free_tables(struct vtd_unit *unit);
