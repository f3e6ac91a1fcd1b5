/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that fault all the time are muted for a second: their faults, which would fill every register that
 * is emptied, are not recorded, so that those of others are. */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/pci_address.h"
#include <stdbool.h>

/* Mutes a device of the unit soon, by an event, and for a second from then on. Any context. */
void vtd_fault_mute(struct vtd_unit *unit, struct pci_address device);

/* Forgets the unit's devices: it is about to be switched off. */
void vtd_fault_mute_stop(const struct vtd_unit *unit);

/* Whether a device is muted, or about to be. Any context. */
bool vtd_fault_any_muted(void);
