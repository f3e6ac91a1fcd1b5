/* SPDX-License-Identifier: BSD-2-Clause */
/* What a domain is made of, for iommu/ itself: the generic half (domain.c) and the half of the hardware
 * behind it (vtd/). */
#pragma once

#include "iommu/iommu.h"
#include "iommu/tracking.h"
#include "lib/list.h"
#include "lib/spinlock.h"

enum iommu_domain_flags {
    /* Table pages are freed after a grace period, so walkers need no lock and mappers on disjoint ranges need
     * none either. A domain without it serialises its callers by a lock of its own, and refuses to be
     * tracked. (The name is from Jason Gunthorpe's answer on the Linux IOMMU list, June 2022.) */
    DOMAIN_FLAG_RCU_FREE_PAGES = 1,
};

/* The hardware behind a domain. Every function may wait for hardware, with a deadline; none is called in a
 * read section. */
struct iommu_domain_ops {
    unsigned flags; /* enum iommu_domain_flags */

    /* Fills in domain->pt_ops, pt, id, tracks_dirty, why_not_dirty, pruning and leaf_prot; and takes that
     * back. */
    int (*init)(struct iommu_domain *domain);
    void (*destroy)(struct iommu_domain *domain);

    /* Whether attach() would refuse the device: its error then. Changes nothing. NULL: it never does. */
    int (*check)(struct iommu_domain *domain, struct pci_address device, uint32_t pasid);

    /* Makes a requester's requests that have this PASID, or IOMMU_NO_PASID, go through the domain's tree; and
     * blocks them again. After check(). One call at a time for a device. */
    int (*attach)(struct iommu_domain *domain, struct pci_address device, uint32_t pasid);
    int (*detach)(struct iommu_domain *domain, struct pci_address device, uint32_t pasid);

    /* Invalidates the gather's range, its table entries too when gather_has_tables(), on every unit that the
     * domain is attached to, and waits until all have completed it, and until the DMA that used the old
     * translations is drained. When this fails, whoever may go on by them has been cut off. */
    int (*invalidate)(struct iommu_domain *domain, const struct gather *gather);

    /* The same after pages were mapped in the gather's range, where units may have kept that nothing was
     * there. NULL where they never do. */
    int (*invalidate_mapped)(struct iommu_domain *domain, const struct gather *gather);

    /* Has units keep dirty bits of the domain's tree, or no more, in every entry that leads to it and that
     * will; and returns when none goes by anything that it had cached before. When a start fails it is as
     * before, or its devices have been cut off; a stop is always carried out. One call at a time. NULL where
     * there is nothing to do. */
    int (*track)(struct iommu_domain *domain, bool on);
};

#define IOMMU_UNITS_MAX 64

/* Devices of a domain that keep translations themselves, each with a PASID. */
#define IOMMU_ATS_SLOTS 16

/* One of them (vtd/device_tlb.c). */
struct iommu_ats_slot {
    uint64_t owner; /* who it is; read while the slot is in use only */
    uint32_t users; /* CPUs that are about to invalidate its TLB, or wait for that (atomic) */
};

struct iommu_domain {
    const struct iommu_domain_ops *ops;
    const struct pt_ops *pt_ops;
    struct pt pt; /* without root where nothing is translated: then the domain maps nothing */
    char name[IOMMU_DOMAIN_NAME_MAX];
    struct list link;                   /* on the list of all domains */
    struct spinlock lock;               /* only where ops lack DOMAIN_FLAG_RCU_FREE_PAGES */
    uint16_t id;                        /* the same on every unit; never 0 */
    uint64_t number;                    /* no other domain has had it, unlike name and id */
    iommu_fault_handler *fault_handler; /* fault_handler.c's, as the next one */
    void *fault_context;
    bool is_source;    /* of a tracker that tracks (atomic; track_source.c) */
    bool owns_nothing; /* a device that was in it alone goes on to its first owner as it is (group_reset.h) */
    bool tracks_dirty; /* it can be tracked by dirty bits */
    const char *why_not_dirty; /* in words, where it cannot */
    struct iommu_pruning pruning;
    struct iommu_tracking_state tracking;
    struct spinlock entries_lock; /* what leads to the tree, and keeps_dirty (vtd/track.c); interrupts off */
    bool keeps_dirty;             /* entries that are made have units keep dirty bits */
    bool has_pasids;              /* a device was attached by a PASID (atomic) */
    unsigned leaf_prot;           /* enum pt_prot that every leaf has besides */
    /* A range that no mapping changes, its end exclusive: init() sets it where devices have one, the
     * interrupt window (VT-d spec, section 3.14). */
    uint64_t untranslated_iova;
    uint64_t untranslated_end;
    uint64_t units; /* bit n: unit n may hold translations of this tree (atomic; see vtd/flush.c) */
    uint32_t unit_devices[IOMMU_UNITS_MAX]; /* devices attached on unit n (atomic; changed by the ops) */
    uint32_t unit_cutting[IOMMU_UNITS_MAX]; /* CPUs that cut devices off on unit n (atomic; vtd/cut_off.c) */
    uint64_t units_unconfirmed; /* bit n: unit n may hold what was unmapped (atomic; vtd/cut_off.c) */
    uint32_t ats; /* bit n: ats_slots[n] has a device whose TLB may hold translations of this tree (atomic) */
    uint32_t ats_cut; /* bit n: which was cut off, so that its unit has to drop everything (atomic) */
    struct iommu_ats_slot ats_slots[IOMMU_ATS_SLOTS];
    uint64_t tables_freed; /* atomic, as the next one */
    uint64_t quarantined;
    struct spinlock quarantine_lock;
    struct quarantine quarantine;
};

static inline bool frees_by_rcu(const struct iommu_domain *domain)
{
    return domain->ops->flags & DOMAIN_FLAG_RCU_FREE_PAGES;
}

/* Callers of a domain that frees by RCU need no lock. */
static inline void domain_lock(struct iommu_domain *domain)
{
    if (!frees_by_rcu(domain))
        spin_lock(&domain->lock);
}

static inline void domain_unlock(struct iommu_domain *domain)
{
    if (!frees_by_rcu(domain))
        spin_unlock(&domain->lock);
}

/* Devices in a domain, each as often as it has PASIDs there. */
unsigned iommu_count_devices(const struct iommu_domain *domain);

/* The ops that iommu_domain_create() and iommu_domain_create_pass_through() give to new domains; set by the
 * hardware's iommu_init(). */
void iommu_set_domain_ops(const struct iommu_domain_ops *ops, const struct iommu_domain_ops *pass_through);

/* Domains can be created: iommu_init() has succeeded, and neither iommu_shutdown() nor iommu_hand_over() was
 * called since. */
bool iommu_is_on(void);

/* Creates a domain with these ops, for hardware that has several kinds, and for tests. As
 * iommu_domain_create(). */
struct iommu_domain *iommu_domain_create_with(const struct iommu_domain_ops *ops, const char *name,
                                              int *error) MUST_CHECK;

/* Maps memory that firmware keeps for itself to itself, read and write, where it is not mapped so already. As
 * iommu_map(); ERR_FORBIDDEN: it is not such memory (platform_memory_is_reserved()). */
int iommu_map_reserved(struct iommu_domain *domain, uint64_t hpa, uint64_t last) MUST_CHECK;

/* The PASID by which a device was in its domain when it faulted. */
static inline uint32_t fault_pasid(const struct iommu_fault *fault)
{
    return fault->has_pasid ? fault->pasid : IOMMU_NO_PASID;
}

/* Calls visit with the domain that a device is in by this PASID, moving in and moving out included, under the
 * lock of the list of devices; not at all if it is in none. Any context. */
void iommu_device_visit_domain(struct pci_address device, uint32_t pasid,
                               void (*visit)(void *context, struct iommu_domain *domain), void *context);
