/* SPDX-License-Identifier: BSD-2-Clause */
/* PASID directories and tables (9.5, 9.6): each device in scalable mode has one of its own. */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

/* The PASID that requests without PASID go by. Units without ECAP.RPS know no other for them. */
#define VTD_RID_PASID 0

/* A directory of one page: 2^(PDTS + 7) entries, each a table of 64. */
#define VTD_PASID_PDTS 2
#define VTD_PASIDS_LG2 15 /* so PASIDs are below 2^this */

/* Words of an entry that are in use; the others are 0. */
#define VTD_PASID_WORDS 3

struct vtd_pasid_entry {
    uint64_t word[8];
};

_Static_assert(sizeof(struct vtd_pasid_entry) == 64, "512 bits (9.6)");

/* An empty directory; NULL when there is no memory. */
uint64_t *vtd_pasid_make(const struct vtd_unit *unit) MUST_CHECK;

/* Gives it back with its tables. No unit reads them any more. */
void vtd_pasid_free(uint64_t *directory);

/* The entry of a PASID, whose table is made if it is not there yet; NULL when there is no memory for it. One
 * call at a time for a directory. */
struct vtd_pasid_entry *vtd_pasid_entry_make(const struct vtd_unit *unit, uint64_t *directory, uint32_t pasid)
    MUST_CHECK;

/* The entry of a PASID, NULL if its table was never made. */
struct vtd_pasid_entry *vtd_pasid_entry_find(const uint64_t *directory, uint32_t pasid);

/* Writes words, of which the first has the present bit, into an entry that is not present. */
void vtd_pasid_set(const struct vtd_unit *unit, struct vtd_pasid_entry *entry, const uint64_t *words);

/* Sets or clears a bit of the first word of an entry that is in use, by one atomic access; leaves one alone
 * that is not present. The unit goes by either until the invalidations of 6.5.3.3. */
void vtd_pasid_switch(const struct vtd_unit *unit, struct vtd_pasid_entry *entry, uint64_t bit, bool on);

/* Takes the present bit away and leaves the rest until an invalidation has completed (6.5.3.3). */
void vtd_pasid_retract(const struct vtd_unit *unit, struct vtd_pasid_entry *entry);

/* Clears what vtd_pasid_retract() left. */
void vtd_pasid_clear(const struct vtd_unit *unit, struct vtd_pasid_entry *entry);

/* How many entries below the directory have one of these bits: the present bit for those by which the device
 * is in a domain, all bits for those that were set and not cleared. */
unsigned vtd_pasid_count(const uint64_t *directory, uint64_t bits);

#define VTD_PASID_PRESENT (1ull << 0)
#define VTD_PASID_SSADE   (1ull << 9) /* a second stage: the unit sets accessed and dirty (9.6, 3.7.2) */
