/* SPDX-License-Identifier: BSD-2-Clause */
/* The event that tells of recorded faults: a line of the log each, and the handlers of domains. */
#pragma once

#include "iommu/iommu.h"
#include <stddef.h>

/* Queues it. Any context. */
void fault_report_post(void);

/* A fault as a sentence, cut to bytes: "0000:00:03.0 (guest) may not write 0x1000: ...". */
void fault_text(const struct iommu_fault *fault, char *text, size_t bytes);
