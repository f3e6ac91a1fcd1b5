/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains whose devices go through VT-d units. */
#pragma once

#include "iommu/domain.h"
#include "iommu/vtd/stage.h"

/* The ops of domains of a stage. */
const struct iommu_domain_ops *vtd_domain_ops(enum vtd_stage stage);
