/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-test of accessed and dirty bits, unit by unit; iommu_self_test() is in iommu.h. */
#pragma once

#include "iommu/vtd/unit.h"

/* Says whether a unit is to be tested, and why not. After the stages are known. */
void vtd_self_test_init(struct vtd_unit *unit);
