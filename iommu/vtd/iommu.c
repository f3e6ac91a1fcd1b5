/* SPDX-License-Identifier: BSD-2-Clause */
/* What iommu.h asks of the hardware as a whole, for VT-d: start, end, faults. */
#include "iommu/iommu.h"
#include "iommu/domain.h"
#include "iommu/fault_ring.h"
#include "iommu/vtd/first_stage.h"
#include "iommu/vtd/vtd.h"

int iommu_init(const void *dmar, size_t bytes, const struct iommu_config *config)
{
    int error = vtd_start(dmar, bytes, config);

    if (error)
        return error;
    vtd_first_stage_log_tracking();
    iommu_set_domain_ops(&vtd_first_stage_ops);
    return 0;
}

void iommu_shutdown(void)
{
    iommu_set_domain_ops(NULL);
    vtd_stop();
}

uint64_t iommu_fault_count(void)
{
    vtd_drain_faults();
    return fault_ring_count();
}

unsigned iommu_faults(struct iommu_fault *faults, unsigned max)
{
    vtd_drain_faults();
    return fault_ring_copy(faults, max);
}
