/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain as a source of a VM's tracker: what devices write. Its IOVAs are the guest-physical addresses. */
#pragma once

#include "iommu/iommu.h"
#include "lib/tracker.h"

/* Its owner's; the domain stays while it is a tracker's. */
struct iommu_track_source {
    struct tracker_source source;
    struct iommu_domain *domain;
    struct iommu_track track; /* as it was asked for last */
    char name[IOMMU_DOMAIN_NAME_MAX];
    uint64_t last; /* that the domain can map */
};

/* how: IOMMU_TRACKING_DIRTY_BITS, whose start is refused where the domain's units keep none, or
 * IOMMU_TRACKING_ALL_WRITABLE. Then tracker_add_source(tracker, &source->source). */
void iommu_track_source_init(struct iommu_track_source *source, struct iommu_domain *domain,
                             enum iommu_tracking how);
