/* SPDX-License-Identifier: BSD-2-Clause */
/* What a unit's invalidation queue has done since it was set up.
 *
 * The counters are plain words, changed under the queue's lock only. Every batch takes that lock to be put
 * into the ring and again to give its slots back, so counting there costs an increment in lines that the
 * lock's holder has at hand; counters per CPU would save nothing, for the queue itself is one for all CPUs. A
 * reader copies all of them under the lock, so what it prints adds up. At a batch every nanosecond they are
 * good for 584 years; nothing but printing depends on them. */
#pragma once

#include "iommu/vtd/descriptor.h"
#include <stdint.h>

enum vtd_invalidation {
    VTD_INVALIDATION_CONTEXT,
    VTD_INVALIDATION_PASID_CACHE,
    VTD_INVALIDATION_IOTLB_GLOBAL,
    VTD_INVALIDATION_IOTLB_DOMAIN,
    VTD_INVALIDATION_IOTLB_PAGE,
    VTD_INVALIDATION_PASID_IOTLB_ALL,
    VTD_INVALIDATION_PASID_IOTLB_PAGE,
    VTD_INVALIDATION_DEVICE_TLB,
    VTD_INVALIDATION_INTERRUPT,
    VTD_INVALIDATION_WAIT,
    VTD_INVALIDATION_OTHER,
    VTD_INVALIDATIONS,
};

/* The last one is open: no wait lasts longer than some seconds. */
#define VTD_LATENCIES 33

struct vtd_queue_stats {
    uint64_t invalidations[VTD_INVALIDATIONS]; /* descriptors submitted; an abandoned batch's too */
    uint64_t batches;                          /* each comes to one of the next four, or is under way */
    uint64_t completed;
    uint64_t refused;   /* with a descriptor that the unit refused (IQE) */
    uint64_t dropped;   /* by the unit (ITE); each is submitted again as another batch, a few times */
    uint64_t timed_out; /* abandoned at the deadline, or when the queue was found to stand still */
    uint64_t latency[VTD_LATENCIES]; /* of those completed: [n] took 2^n to 2^(n+1) - 1 ns, [0] less too */
    uint64_t full;                   /* batches that had to wait for room */
    uint64_t turned_away;   /* submitted to a queue without room, or one that stands still, and not taken */
    uint64_t iqe, ite, ice; /* errors recovered from (6.5.2.10) */
    uint64_t stalls;        /* times that the queue was found to stand still */
};

enum vtd_invalidation vtd_invalidation_of(const struct vtd_descriptor *descriptor);

/* For a program: "iotlb_page". */
const char *vtd_invalidation_name(enum vtd_invalidation kind);

/* Which member of latency[] a time belongs to. */
unsigned vtd_latency_of(uint64_t ns);
