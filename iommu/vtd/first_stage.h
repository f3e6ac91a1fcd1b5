/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains whose devices translate through first-stage tables (3.6). */
#pragma once

#include "iommu/domain.h"

extern const struct iommu_domain_ops vtd_first_stage_ops;

/* Says once why domains do not track dirty pages, if they do not. */
void vtd_first_stage_log_tracking(void);
