/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that firmware goes on using, and the memory that they need for that (RMRR, 8.4): they are in a
 * domain of their own from the start, in which that memory is mapped to itself, and in no other. */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"

/* Makes the domain, if there is such a device, before any unit is started. A region that does not lie in
 * memory which firmware keeps for itself is refused: its devices stay blocked, and the log says so.
 * ERR_NOMEM, ERR_UNSUPPORTED. */
int vtd_reserved_make(void) MUST_CHECK;

/* Puts the unit's devices into the domain; it does not go by its tables yet. ERR_NOMEM. */
int vtd_reserved_attach(struct vtd_unit *unit) MUST_CHECK;

/* True for a device that is in the domain, or will be, and whose DMA need not stop: its unit never stops
 * checking it. */
bool vtd_reserved_goes_on(struct pci_address device);

/* Lets those devices issue DMA again that did before they were stopped, now that units check it. */
void vtd_reserved_resume(void);

/* NULL if there is none. */
const struct iommu_domain *vtd_reserved_domain(void);

/* Takes all of that back; the units are off. */
void vtd_reserved_drop(void);
