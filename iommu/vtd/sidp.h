/* SPDX-License-Identifier: BSD-2-Clause */
/* What firmware says of devices of the root complex (SIDP, 8.9). */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/pci_address.h"
#include <stdbool.h>

/* The DMAR table has such a structure: then SATCs are not looked at (8.9). */
bool vtd_sidp_is_there(void);

/* The device needs ATS to work. */
bool vtd_sidp_requires_ats(struct pci_address device);

/* Why requests of the device without PASID cannot be translated by the unit as it has it, in words; NULL:
 * they can. */
const char *vtd_sidp_refusal(const struct vtd_unit *unit, struct pci_address device);
