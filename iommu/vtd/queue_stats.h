/* SPDX-License-Identifier: BSD-2-Clause */
/* Where in a queue's statistics (iommu/stats.h) something is counted.
 *
 * The counters are plain words, changed under the queue's lock only. Every batch takes that lock to be put
 * into the ring and again to give its slots back, so counting there costs an increment in lines that the
 * lock's holder has at hand; counters per CPU would save nothing, for the queue itself is one for all CPUs. A
 * reader copies all of them under the lock, so what it prints adds up. At a batch every nanosecond they are
 * good for 584 years; nothing but printing depends on them. */
#pragma once

#include "iommu/stats.h"
#include "iommu/vtd/descriptor.h"
#include <stdint.h>

enum iommu_invalidation vtd_invalidation_of(const struct vtd_descriptor *descriptor);

/* Which member of latency[] a time belongs to. */
unsigned vtd_latency_of(uint64_t ns);
