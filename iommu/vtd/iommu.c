/* SPDX-License-Identifier: BSD-2-Clause */
/* What iommu.h asks of the hardware as a whole, for VT-d: start, end, faults. */
#include "iommu/iommu.h"
#include "iommu/domain.h"
#include "iommu/fault_ring.h"
#include "iommu/vtd/domain.h"
#include "iommu/vtd/vtd.h"

int iommu_init(const void *dmar, size_t bytes, const struct iommu_config *config)
{
    int error = vtd_start(dmar, bytes, config);

    if (!error)
        iommu_set_domain_ops(vtd_domain_ops(vtd_stage()), vtd_domain_ops(VTD_PASS_THROUGH));
    return error;
}

bool iommu_x2apic_opt_out(const void *dmar, size_t bytes)
{
    return dmar_opts_out_of_x2apic(dmar, bytes);
}

void iommu_shutdown(void)
{
    iommu_set_domain_ops(NULL, NULL);
    vtd_stop();
}

void iommu_hand_over(void)
{
    iommu_set_domain_ops(NULL, NULL);
    vtd_hand_over();
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
