/* SPDX-License-Identifier: BSD-2-Clause */
/* The newest faults of all units, and how many there were. */
#pragma once

#include "iommu/iommu.h"

#define FAULT_RING_SIZE 64

/* Adds a fault and logs it, unless its device has had its share of lines for the moment. Any context. */
void fault_ring_add(const struct iommu_fault *fault);

/* As iommu_fault_count() and iommu_faults(), of what has been added. */
uint64_t fault_ring_count(void);
unsigned fault_ring_copy(struct iommu_fault *faults, unsigned max);
