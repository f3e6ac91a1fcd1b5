/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers that domains have for the faults of their devices. */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"

/* Calls the handler of the domain that the fault names, if the device is in it still. As an event; one call
 * at a time. */
void fault_handler_call(const struct iommu_fault *fault);
