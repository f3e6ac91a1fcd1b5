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

/* What invalidates a gather's range in the first-stage translations of did. */
void vtd_flush_plan(struct vtd_flush *flush, const struct vtd_limits *limits, uint16_t did,
                    const struct gather *gather);

/* What invalidates all first-stage translations of did, PASID cache included. */
void vtd_flush_plan_all(struct vtd_flush *flush, uint16_t did);

/* Carries it out on every unit in domain->units, and waits for all of them. ERR_TIMEOUT, ERR_HARDWARE: the
 * first failure, after the others have been waited for. Outside RCU read sections. */
int vtd_flush_run(const struct iommu_domain *domain, const struct vtd_flush *flush) MUST_CHECK;
