/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that keep translations themselves (ATS): a domain's list of them, and the invalidation of their
 * TLBs. */
#pragma once

#include "iommu/domain.h"
#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include "lib/pt/gather.h"
#include <stdbool.h>
#include <stdint.h>

/* A device, by one of its PASIDs or without. */
struct vtd_tlb {
    struct vtd_unit *unit;
    struct pci_address device;
    uint32_t pasid;
    unsigned queue_depth; /* invalidations that it takes in at a time, 1 to 32 */
};

/* Puts a device on the domain's list, before its entries are made present. False: the list is full. One call
 * at a time for a device, as the next two. */
bool vtd_device_tlb_join(struct iommu_domain *domain, const struct vtd_tlb *tlb) MUST_CHECK;

/* Whether a device is on the list still and was not cut off, asked once its entries are present: a cut-off
 * before that may have found none to take away. */
bool vtd_device_tlb_is_live(const struct iommu_domain *domain, const struct vtd_tlb *tlb) MUST_CHECK;

/* Takes a device off the list, once its entries are gone and its unit knows. Waits until no CPU has an
 * invalidation of its TLB under way, so that its ATS may be switched off. */
void vtd_device_tlb_leave(struct iommu_domain *domain, const struct vtd_tlb *tlb);

/* Invalidates all that the device holds by the PASID. False: it does not confirm. True also if it is not on
 * the list any more, since it was cut off: then what it holds is of no use to it. */
bool vtd_device_tlb_drop(struct iommu_domain *domain, const struct vtd_tlb *tlb) MUST_CHECK;

/* A device that does not answer, or whose detach its unit did not confirm: takes its context entry, its bus
 * mastering and its ATS, has its unit drop all that it holds, and waits until the device is quiet. After that
 * nothing that it kept is of any use to it, and it leaves the list. 0 also if it is not on the list any more.
 * ERR_TIMEOUT, ERR_HARDWARE: the unit does not confirm, or the device has transactions pending; it stays on
 * the list, and the next invalidation of the domain, and an attach of the device to it, try again. */
int vtd_device_tlb_cut_off(struct iommu_domain *domain, const struct vtd_tlb *tlb) MUST_CHECK;

/* Invalidates a gather's range in the TLBs of all devices on the list, after the same in their units, and
 * waits until all have dropped it, and the DMA that went by it has ended. Who does not answer is cut off. 0
 * also then: nobody reaches anything by an old translation any more. Errors as vtd_device_tlb_cut_off(). Any
 * CPU, outside RCU read sections. */
int vtd_device_tlb_invalidate(struct iommu_domain *domain, const struct gather *gather) MUST_CHECK;
