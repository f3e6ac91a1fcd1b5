/* SPDX-License-Identifier: BSD-2-Clause */
/* What units do that their registers do not say: recognised by who made the DMAR table, or by the host
 * bridge. Each can be switched off by name, so that what was repaired is believed. */
#pragma once

#include "lib/compiler.h"
#include <stdint.h>

enum vtd_erratum {
    /* A first-stage leaf that has the accessed bit never gets the dirty bit: both are cleared together and
       either counts. */
    VTD_ERRATUM_ACCESSED_IS_DIRTY = 1,
    /* Accessed and dirty bits of first-stage tables are right although the walk is not reported coherent. */
    VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE = 2,
    /* First-stage addresses are as wide as AW of the PASID entry says, also where AW is reserved. */
    VTD_ERRATUM_WIDTH_FROM_AW = 4,
    /* Writes to tables are not seen without a write-buffer flush, though CAP.RWBF is clear. */
    VTD_ERRATUM_NEEDS_WRITE_BUFFER_FLUSH = 8,
    /* Interrupts may be lost while interrupt remapping is on, though ECAP.IR offers it. */
    VTD_ERRATUM_NO_INTERRUPT_REMAPPING = 16,
};

/* The flags of this platform (enum vtd_erratum): the DMAR's OEM id (six bytes) and the host bridge,
 * 0000:00:00.0, decide. */
unsigned vtd_errata_find(const char *oem_id);

/* Takes the errata that names lists (with commas and blanks between; "all" for all; NULL or "" for none) out
 * of *flags. ERR_INVALID: the log has the name that no erratum has, and *flags is as it was. */
int vtd_errata_switch_off(const char *names, unsigned *flags) MUST_CHECK;

/* CAP and ECAP as they should have been. */
void vtd_errata_repair(unsigned flags, uint64_t *cap, uint64_t *ecap);

/* The name of the n-th erratum among flags, NULL after the last; and where it is known from. */
const char *vtd_errata_name(unsigned flags, unsigned n);
const char *vtd_errata_source(unsigned flags, unsigned n);
