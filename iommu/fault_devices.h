/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts of faults for each device, and the share of each in what is recorded: memory that does not grow,
 * whatever devices do. */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"
#include <stdbool.h>

/* So many devices have counts of their own. Those that fault for the first time after that share one entry,
 * its share too: who forges requester ids gains nothing by it. */
#define FAULT_DEVICES_MAX 256

/* Of each device so many faults a second are recorded: they go into the ring, to the domain's handler and
 * into the log. All others are only counted. */
#define FAULT_DEVICE_SHARE 16

/* A device that faults more often in a second is a storm. */
#define FAULT_DEVICE_STORM 256

/* Counts the fault. True: it is to be recorded, and skipped and limited are filled in. *storm: the device has
 * faulted more than FAULT_DEVICE_STORM times in this second; never of those that share an entry. Any
 * context. */
bool fault_devices_count(struct iommu_fault *fault, bool *storm) MUST_CHECK;

/* Keeps a fault that is recorded as its device's newest, once all is known of it. Any context. */
void fault_devices_note(const struct iommu_fault *fault);
