/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics of the IOMMU, for programs: what units have invalidated, and what all domains hold. What one
 * domain holds is in iommu.h: iommu_domain_info() and iommu_domain_count(). Every number counts since
 * iommu_init(), but for RCU's and the faults', which count since the start.
 *
 * Any CPU that runs events, outside RCU read sections, not in an interrupt handler, and not by what
 * iommu_domains_visit() calls. */
#pragma once

#include "iommu/self_test.h"
#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

/* Kinds of invalidation descriptors (VT-d, section 6.5.2). */
enum iommu_invalidation {
    IOMMU_INVALIDATION_CONTEXT,
    IOMMU_INVALIDATION_PASID_CACHE,
    IOMMU_INVALIDATION_IOTLB_GLOBAL,
    IOMMU_INVALIDATION_IOTLB_DOMAIN,
    IOMMU_INVALIDATION_IOTLB_PAGE,
    IOMMU_INVALIDATION_PASID_IOTLB_ALL,
    IOMMU_INVALIDATION_PASID_IOTLB_PAGE,
    IOMMU_INVALIDATION_DEVICE_TLB,
    IOMMU_INVALIDATION_INTERRUPT,
    IOMMU_INVALIDATION_WAIT,
    IOMMU_INVALIDATION_OTHER,
    IOMMU_INVALIDATIONS,
};

/* The name of a kind for a program: "iotlb_page". NULL from IOMMU_INVALIDATIONS on. Any context. */
const char *iommu_invalidation_name(enum iommu_invalidation kind);

/* The last one is open: no wait lasts longer than some seconds. */
#define IOMMU_LATENCIES 33

/* Of a unit's invalidation queue. A batch is what one map, unmap, harvest, attach or detach submits at once,
 * with one wait. */
struct iommu_queue_stats {
    uint64_t invalidations[IOMMU_INVALIDATIONS]; /* descriptors submitted; an abandoned batch's too */
    uint64_t batches;                            /* each comes to one of the next four, or is under way */
    uint64_t completed;
    uint64_t refused;   /* with a descriptor that the unit refused (IQE) */
    uint64_t dropped;   /* by the unit (ITE); each is submitted again as another batch, a few times */
    uint64_t timed_out; /* abandoned at the deadline, or when the queue was found to stand still */
    uint64_t latency[IOMMU_LATENCIES]; /* of those completed: [n] took 2^n to 2^(n+1) - 1 ns, [0] less too */
    uint64_t full;                     /* batches that had to wait for room */
    uint64_t turned_away;   /* submitted to a queue without room, or one that stands still, and not taken */
    uint64_t iqe, ite, ice; /* errors recovered from (6.5.2.10) */
    uint64_t stalls;        /* times that the queue was found to stand still */
};

struct iommu_unit_stats {
    unsigned unit;                    /* its number, as in the log */
    bool on;                          /* it translates; else these are the last numbers that it had */
    struct iommu_queue_stats queue;   /* a copy that adds up */
    uint64_t under_way;               /* batches, when it was made */
    uint64_t fault_overflows;         /* times that the unit had no register left for a fault */
    uint64_t fault_storms;            /* times that faults came faster than they are read */
    uint64_t fault_mutes;             /* times that a device was kept from recording faults for a while */
    uint64_t widened;                 /* invalidations that failed, and were completed by a wider one */
    uint64_t cut_offs;                /* devices cut off: it, or their TLB, did not confirm */
    struct iommu_self_test self_test; /* of accessed and dirty bits */
    unsigned interrupts;              /* entries in use, where it remaps interrupts */
    unsigned interrupts_lost;         /* entries that are not used again, since the unit did not confirm */
};

/* Fills in the numbers of the n-th unit, from 0; false, and *stats as it was, if there are not so many. */
bool iommu_unit_stats(unsigned n, struct iommu_unit_stats *stats) MUST_CHECK;

/* Of all together. */
struct iommu_stats {
    unsigned units;
    unsigned domains;        /* that there are, the firmware's included */
    uint64_t tables_waiting; /* pages of tables that wait for a grace period */
    uint64_t faults;         /* recorded or only counted, ever; what units hold still is read first */
};

void iommu_stats(struct iommu_stats *stats);
