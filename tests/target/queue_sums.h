/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the statistics of an invalidation queue add up. */
#pragma once

#include "iommu/vtd/queue_stats.h"

/* Checks each sum over the counters of a queue on which nothing has failed and nothing is under way. */
void queue_sums_check(const struct iommu_queue_stats *stats);

/* How many batches a map and its unmap are, on each unit. */
unsigned queue_sums_batches_a_round(void);
