/* SPDX-License-Identifier: BSD-2-Clause */
/* What units do that their registers do not say: recognised by who made the DMAR table. */
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
};

/* The flags (enum vtd_erratum) of the platform whose DMAR has this OEM id (six bytes). */
unsigned vtd_errata_find(const char *oem_id);

/* The name of the n-th erratum among flags, NULL after the last. */
const char *vtd_errata_name(unsigned flags, unsigned n);
