/* SPDX-License-Identifier: BSD-2-Clause */
/* Units that keep dirty bits of a domain's tree, and those that do no more. */
#pragma once

#include "iommu/domain.h"
#include "lib/compiler.h"
#include <stdbool.h>

/* What struct iommu_domain_ops asks of track(). */
int vtd_track(struct iommu_domain *domain, bool on) MUST_CHECK;
