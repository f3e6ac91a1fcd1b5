/* SPDX-License-Identifier: BSD-2-Clause */
/* ATS: who may have it, and why others go without. Reasons are in words, and live for ever. */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>

/* For vtd_start(), when the configuration is known and no device is attached. The log names each device that
 * is trusted with ATS and that this machine has not. ERR_NOMEM. */
int vtd_ats_init(void) MUST_CHECK;

/* Whether the configuration trusts a device with ATS. */
bool vtd_ats_is_trusted(struct pci_address device);

/* Whether firmware says that a device needs ATS to work (SATC, SIDP, 8.8, 8.9). */
bool vtd_ats_is_required(struct pci_address device);

/* Why a device of the unit cannot have ATS, by what the two and the way between them are; NULL: it can, and
 * *queue_depth is how many invalidations it takes in at a time. Who is trusted with it is not looked at. */
const char *vtd_ats_refusal(const struct vtd_unit *unit, struct pci_address device, unsigned *queue_depth);

/* A device that is trusted is attached without ATS, for this reason. One call at a time for a device. */
void vtd_ats_note_refusal(struct pci_address device, const char *why);

/* Why a device of a unit that is on has no ATS at this moment; NULL: it has. Any CPU. */
const char *vtd_ats_why_not(const struct vtd_unit *unit, struct pci_address device);
