/* SPDX-License-Identifier: BSD-2-Clause */
/* Which devices cannot be told apart, or can reach each other without a unit seeing it: they move as one.
 *
 * A group is computed from the table of lib/pci and from configuration space whenever somebody asks, so there
 * is nothing to keep up to date. A function of which configuration space is not to be read for a moment (it
 * is being reset) counts as one without ACS: groups are then larger, never smaller. */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stddef.h>

#define IOMMU_GROUP_WHY_BYTES 256

struct iommu_group {
    struct pci_address *ids;         /* requester ids: first those of the functions, in the table's order, */
    unsigned functions;              /* which are so many, */
    unsigned count;                  /* and then aliases: this is all of them */
    char why[IOMMU_GROUP_WHY_BYTES]; /* they are one, for people; "" when there is one id */
};

/* The group that a requester id is in. An id that the table does not know is alone. ERR_UNSUPPORTED: it is a
 * port of PCI Express, which has no DMA of its own (the log says so); ERR_NOMEM. After 0 iommu_group_free()
 * gives the memory back. */
int iommu_group_find(struct pci_address device, struct iommu_group *group) MUST_CHECK;
void iommu_group_free(struct iommu_group *group);

bool iommu_group_has(const struct iommu_group *group, struct pci_address id);

/* Calls visit for each group, in the table's order. ERR_NOMEM. */
int iommu_groups_visit(void (*visit)(void *context, const struct iommu_group *group), void *context)
    MUST_CHECK;
