/* SPDX-License-Identifier: BSD-2-Clause */
/* The newest faults of all units, and how many there were. */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"

#define FAULT_RING_SIZE 64

/* Counts a fault and, as far as its device's share goes (fault_devices.h), records it; an event reports it
 * then. Fills in what units do not know: the domain, skipped and limited. True: the device faults so often
 * that it keeps faults of others from being recorded (FAULT_DEVICE_STORM). Any context. */
bool fault_ring_add(struct iommu_fault *fault);

/* As iommu_fault_count() and iommu_faults(), of what has been added. */
uint64_t fault_ring_count(void);
unsigned fault_ring_copy(struct iommu_fault *faults, unsigned max);

/* Takes the oldest recorded fault that was not taken yet; false when there is none. *lost grows by those that
 * newer ones have overwritten. Any context. */
bool fault_ring_take(struct iommu_fault *fault, uint64_t *lost) MUST_CHECK;
bool fault_ring_untaken(void) MUST_CHECK;
