/* SPDX-License-Identifier: BSD-2-Clause */
/* ATS: how it is switched on and off when a device comes and goes. */
#pragma once

#include "iommu/domain.h"
#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stdint.h>

/* A device on its way into a domain. */
struct vtd_ats {
    bool on;         /* its context entry is to let translation requests and translated requests through */
    bool was_master; /* its bus mastering is off for so long, and was on */
};

/* Before a device's entries are made present: switches its ATS on if it is trusted with it and may have it,
 * with its DMA stopped, and puts it on the domain's list; or, where it has ATS by another PASID already, puts
 * it on the list by this one. A device that goes without is no error. ERR_UNSUPPORTED: it has ATS already,
 * and the list is full; ERR_TIMEOUT, ERR_HARDWARE: what an earlier time in a domain left is not over, and the
 * device stays blocked, its bus mastering off. */
int vtd_ats_join(struct iommu_domain *domain, struct vtd_unit *unit, const uint64_t *context,
                 struct pci_address device, uint32_t pasid, struct vtd_ats *ats) MUST_CHECK;

/* After that: lets it issue DMA again if it did before. */
void vtd_ats_go_on(struct vtd_unit *unit, const uint64_t *context, struct pci_address device,
                   const struct vtd_ats *ats);

/* Before the entries of a device that has ATS are taken away. whole: all of them. */
void vtd_ats_stop_dma(struct pci_address device, bool whole);

/* After they are, with the result of that: has the device drop what it holds, takes it off the list, and
 * switches its ATS off if it is out as a whole. Its bus mastering stays off then. Returns unconfirmed, or
 * ERR_TIMEOUT, ERR_HARDWARE: the device did not drop what it holds by this PASID, is cut off as a whole, and
 * its unit did not confirm that, or it has transactions pending: then it stays on the list. */
int vtd_ats_leave(struct iommu_domain *domain, struct vtd_unit *unit, struct pci_address device,
                  uint32_t pasid, bool whole, int unconfirmed) MUST_CHECK;

/* Units are about to go off: switches ATS off in all devices that are trusted with it. */
void vtd_ats_stop(void);
