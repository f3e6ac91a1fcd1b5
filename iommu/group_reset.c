/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has had each function since its last reset. An entry is read and written only by who moves the
 * function's group (iommu/device.c), so there is no lock. */
#include "iommu/group_reset.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/pci.h"
#include "lib/pci_reset.h"
#include <stdlib.h>

#define SEVERAL (~0ull) /* no domain's number */

/* For each function of the table the number of the domain. */
static uint64_t *owners;
static unsigned owner_count;
static bool allow_without_reset;

int group_reset_init(bool without_reset)
{
    unsigned count = 0;

    while (pci_function(count))
        count++;
    free(owners);
    owners = calloc(count + 1, sizeof *owners);
    owner_count = owners ? count : 0;
    allow_without_reset = without_reset;
    return owners ? 0 : ERR_NOMEM;
}

/* NULL: not in the table. */
static uint64_t *owner_of(struct pci_address device)
{
    const struct pci_function *function = pci_find(device);
    size_t index = function ? (size_t)(function - pci_function(0)) : owner_count;

    return index < owner_count ? &owners[index] : NULL;
}

static bool changes_hands(const struct iommu_group *group, uint64_t domain_number)
{
    for (unsigned i = 0; i < group->functions && !mutant(RESET_LEFT_OUT); i++) {
        const uint64_t *owner = owner_of(group->ids[i]);

        if (owner && *owner != GROUP_RESET_NOBODY && *owner != domain_number)
            return true;
    }
    return false;
}

/* Nothing is reset when one of them cannot be. */
static int check_methods(const struct iommu_group *group)
{
    for (unsigned i = 0; i < group->functions && !allow_without_reset; i++) {
        if (pci_reset_method(group->ids[i], group->ids, group->functions) != PCI_RESET_NONE)
            continue;
        log_error("iommu: " PCI_FORMAT " has been in another domain, and there is no way to reset it; "
                  "\"reset = none\" in lull.cfg would let it go as it is",
                  PCI_ARGS(group->ids[i]));
        return ERR_UNSUPPORTED;
    }
    return 0;
}

int group_reset_for(const struct iommu_group *group, uint64_t domain_number, bool shared)
{
    bool reset = changes_hands(group, domain_number);

    if (reset && !shared) {
        int error = check_methods(group);

        if (!error)
            error = pci_reset(group->ids, group->functions);
        if (error)
            return error;
    }
    for (unsigned i = 0; i < group->functions; i++) {
        uint64_t *owner = owner_of(group->ids[i]);

        if (owner)
            *owner = reset && shared ? SEVERAL : domain_number;
    }
    return 0;
}
