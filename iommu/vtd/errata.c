/* SPDX-License-Identifier: BSD-2-Clause */
/* The errata table. Each entry says what was seen, and where. */
#include "iommu/vtd/errata.h"
#include <stddef.h>
#include <string.h>

struct errata {
    char oem_id[7];
    unsigned flags;
};

static const struct errata table[] = {
    /* QEMU, seen in 10.0 and 10.2 (hw/i386/intel_iommu.c): the walk sets accessed and dirty only if neither
     * is set, so that an accessed leaf stays clean for ever; and ECAP reports neither C nor SMPWC, though
     * guest memory is all that it walks. It has no second stage where it has a first one, and bounds the
     * addresses of that by AW. */
    {"BOCHS ",
     VTD_ERRATUM_ACCESSED_IS_DIRTY | VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE | VTD_ERRATUM_WIDTH_FROM_AW},
};

static const struct {
    unsigned flag;
    const char *name;
} names[] = {
    {VTD_ERRATUM_ACCESSED_IS_DIRTY, "accessed-is-dirty"},
    {VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE, "dirty-without-coherence"},
    {VTD_ERRATUM_WIDTH_FROM_AW, "width-from-aw"},
};

unsigned vtd_errata_find(const char *oem_id)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (memcmp(table[i].oem_id, oem_id, 6) == 0)
            return table[i].flags;
    return 0;
}

const char *vtd_errata_name(unsigned flags, unsigned n)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (flags & names[i].flag && n-- == 0)
            return names[i].name;
    return NULL;
}
