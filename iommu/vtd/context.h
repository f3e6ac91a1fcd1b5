/* SPDX-License-Identifier: BSD-2-Clause */
/* Root and context tables, of legacy mode (9.1, 9.3) and of scalable mode (9.2, 9.4): which devices are not
 * blocked, and what their requests go by. A device without a present entry is blocked, so blocking takes no
 * table. */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/atomic.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stdint.h>

/* The words of an entry: 2 in legacy mode, 4 in scalable mode. */
#define VTD_CONTEXT_WORDS_MAX 4

#define VTD_CONTEXT_PRESENT (1ull << 0)
#define VTD_CONTEXT_FPD     (1ull << 1)

/* Translation requests and translated requests are let through: DTE in scalable mode (9.4), TT=01b in legacy
 * mode (9.3). */
#define VTD_CONTEXT_ATS (1ull << 2)

/* The device's context entry, whose table is made and linked if it is not there yet; NULL when there is no
 * memory for it. */
uint64_t *vtd_context_make(struct vtd_unit *unit, struct pci_address device) MUST_CHECK;

/* The device's context entry, NULL if its table was never made. */
uint64_t *vtd_context_find(const struct vtd_unit *unit, struct pci_address device);

/* FPD of an entry is no part of what follows: fault_mute.c sets and clears it whenever it likes, in entries
 * that are not present too, and the others leave it alone. */

/* Whether an entry has been set and not cleared since. */
static inline bool vtd_context_is_used(const uint64_t *entry)
{
    return atomic_read(&entry[0]) & ~VTD_CONTEXT_FPD;
}

/* Whether an entry that is used says so. */
static inline bool vtd_context_has_ats(const uint64_t *entry)
{
    return atomic_read(&entry[0]) & VTD_CONTEXT_ATS;
}

/* Writes words, of which the first has the present bit, into an entry that is not used. */
void vtd_context_set(const struct vtd_unit *unit, uint64_t *entry, const uint64_t *words);

/* Takes the present bit away and leaves the rest, which the unit may be reading still: until an invalidation
 * has completed it belongs to both (6.5.3.3). Returns whether it was there. */
bool vtd_context_retract(const struct vtd_unit *unit, uint64_t *entry);

/* Clears what vtd_context_retract() left. */
void vtd_context_clear(const struct vtd_unit *unit, uint64_t *entry);

/* Whether an entry, of a context table or of a PASID table, was retracted and is not cleared: the device was
 * cut off, or a unit has not confirmed (yet) that it was detached. */
static inline bool vtd_context_is_retracted(const uint64_t *entry)
{
    return (atomic_read(&entry[0]) & ~VTD_CONTEXT_FPD) && !(atomic_read(&entry[0]) & VTD_CONTEXT_PRESENT);
}

/* What an entry that was set and not cleared points to: a PASID directory in scalable mode, a second-stage
 * tree or 0 (pass-through) in legacy mode. */
static inline uint64_t vtd_context_target(const uint64_t *entry)
{
    return entry[0] & VTD_PAGE_ADDRESS;
}

/* Gives back root and context tables, if there are any, and the PASID tables of devices that are still in
 * them. The unit is off, and nobody will use it any more. */
void vtd_context_free_tables(struct vtd_unit *unit);
