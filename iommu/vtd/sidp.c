/* SPDX-License-Identifier: BSD-2-Clause */
/* SIDP: of devices of the root complex, what their requests without PASID cannot be translated with, and
 * whether they need ATS. */
#include "iommu/vtd/sidp.h"
#include "iommu/vtd/vtd.h"

/* Flags of a scope (8.9). The first of them, no nested translation, is about nothing that is used here. */
#define SIDP_NO_PWSNP     (1u << 1)
#define SIDP_NO_PGSNP     (1u << 2)
#define SIDP_ATS_REQUIRED (1u << 4)

/* The next structure from the n-th on; NULL: there is none. */
static const struct dmar_structure *find_next(unsigned *n)
{
    const struct dmar_table *table = &vtd_dmar()->table;

    for (; *n < table->count; ++*n)
        if (table->structures[*n].type == DMAR_SIDP && !table->structures[*n].fault.rule)
            return &table->structures[(*n)++];
    return NULL;
}

bool vtd_sidp_is_there(void)
{
    unsigned n = 0;

    return find_next(&n) != NULL;
}

static uint8_t flags_in(const struct dmar_structure *structure, struct pci_address device)
{
    uint8_t flags = 0;

    for (unsigned i = 0; i < structure->scopes.count; i++) {
        const struct dmar_scopes one = {&structure->scopes.scopes[i], 1};

        if (dmar_scopes_cover(&one, structure->segment, device))
            flags |= one.scopes->flags;
    }
    return flags;
}

static uint8_t flags_of(struct pci_address device)
{
    const struct dmar_structure *structure;
    uint8_t flags = 0;

    for (unsigned n = 0; (structure = find_next(&n));)
        flags |= flags_in(structure, device);
    return flags;
}

bool vtd_sidp_requires_ats(struct pci_address device)
{
    return flags_of(device) & SIDP_ATS_REQUIRED;
}

const char *vtd_sidp_refusal(const struct vtd_unit *unit, struct pci_address device)
{
    uint8_t flags = flags_of(device);

    if (unit->scalable && unit->cap.snoop_control && flags & SIDP_NO_PGSNP)
        return "firmware says that its requests must not be made to snoop (SIDP, PGSNP, 8.9)";
    if (unit->scalable && unit->cap.coherent_walks && flags & SIDP_NO_PWSNP)
        return "firmware says that walks for its requests must not snoop (SIDP, PWSNP, 8.9)";
    return NULL;
}
