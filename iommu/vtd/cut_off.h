/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done about a unit that does not confirm an invalidation: it is told to drop more, and when it does
 * not do that either its devices are cut off. */
#pragma once

#include "iommu/domain.h"
#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stdint.h>

/* Units (bit n: unit n) that ended an invalidation of the domain with error: tries once wider; cuts off, on
 * those that fail again, every device that is in the domain; and has them drop all that they hold. 0 when
 * each has completed the one or the other: nothing of the domain from before is left on it, and its DMA is
 * drained. ERR_TIMEOUT, ERR_HARDWARE: a unit did not, and its devices of the domain are cut off. Takes no
 * more than four deadlines of a queue, however many units there are. Outside RCU read sections. */
int vtd_cut_off(struct iommu_domain *domain, uint64_t units, int error) MUST_CHECK;

/* Cuts off one device, that no other CPU attaches or detaches meanwhile: takes the present bit from its
 * context entry and its right to be bus master, neither of which needs the unit. retracted: the caller took
 * the present bit already, to detach it. Returns whether this is news: who had taken it before has said so.
 */
bool vtd_cut_off_device(struct vtd_unit *unit, uint64_t *context, struct pci_address device, bool retracted);

/* For an attach, after it has made the entries of a device present: whether devices of the domain are being
 * cut off on this unit, or have been, and it may hold translations of before. Then the device must be blocked
 * again. */
bool vtd_cut_off_forbids(const struct iommu_domain *domain, const struct vtd_unit *unit);

/* For an attach, before that: has a unit that did not confirm an earlier invalidation of the domain drop all
 * that it holds. 0 if nothing was owed. ERR_TIMEOUT, ERR_HARDWARE. */
int vtd_cut_off_settle(struct iommu_domain *domain, const struct vtd_unit *unit) MUST_CHECK;
