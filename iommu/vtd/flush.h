/* SPDX-License-Identifier: BSD-2-Clause */
/* Invalidation of a domain's translations, on every unit that may hold some. */
#pragma once

#include "iommu/domain.h"
#include "iommu/vtd/descriptor.h"
#include "iommu/vtd/queue.h"
#include "iommu/vtd/vtd.h"
#include "lib/compiler.h"
#include "lib/pt/gather.h"

/* Descriptors for one batch. */
struct vtd_flush {
    struct vtd_descriptor descriptors[VTD_BATCH_MAX];
    unsigned count;
};

/* What invalidates a gather's range in the translations of did: of its second-stage tree, or of its
 * first-stage tree for requests without PASID. */
void vtd_flush_plan(struct vtd_flush *flush, const struct vtd_limits *limits, bool first_stage, uint16_t did,
                    const struct gather *gather);

/* What invalidates all translations of did, whatever their stage and PASID. */
void vtd_flush_plan_domain(struct vtd_flush *flush, uint16_t did);

/* The same and the PASID cache, on one unit, after a change of the entry of a device that had pasid. */
void vtd_flush_plan_all(struct vtd_flush *flush, const struct vtd_unit *unit, uint16_t did, uint32_t pasid);

/* Carries it out on every unit in domain->units, and waits for all of them. ERR_TIMEOUT, ERR_HARDWARE: the
 * first failure, after the others have been waited for; *failed has a bit for each unit that did not confirm.
 * Outside RCU read sections. */
int vtd_flush_run(const struct iommu_domain *domain, const struct vtd_flush *flush, uint64_t *failed)
    MUST_CHECK;

/* What each unit is told in its table mode; with a count of 0 nothing. */
struct vtd_flush_modes {
    const struct vtd_flush *legacy, *scalable;
};

/* The same on these units (bit n: unit n). */
int vtd_flush_run_on(uint64_t units, struct vtd_flush_modes modes, uint64_t *failed) MUST_CHECK;

/* Has these units drop all that they have cached, and drains the DMA that went by it. From the top down,
 * each step complete before the next: what is refilled from a stale upper cache would stay. did: the domain
 * whose DMA is drained on old units too, which may not do that but for an invalidation by PASID (CAP.DRD,
 * CAP.DWD); 0: none. Returns and *failed as vtd_flush_run(). */
int vtd_flush_everything(uint64_t units, uint16_t did, uint64_t *failed) MUST_CHECK;

/* The same on one unit. */
int vtd_flush_unit(const struct vtd_unit *unit, uint16_t did) MUST_CHECK;
