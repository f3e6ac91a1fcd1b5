/* SPDX-License-Identifier: BSD-2-Clause */
/* What a domain keeps about the tracking of its pages, and the reports of what leaves its tree. */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "lib/pt/dirty_bitmap.h"
#include "lib/spinlock.h"
#include <stdbool.h>
#include <stdint.h>

/* Whether a domain's harvests may prune: set by ops->init(), but for what says atomic. */
struct iommu_pruning {
    bool allowed;
    bool audited;        /* part of what was pruned is looked at all the same */
    const char *why_not; /* in words, where it is not allowed */
    bool found_wrong;    /* an audit found a dirty leaf, so this domain prunes no more (atomic) */
};

/* Everything here is atomic, but for what says which lock it is under. */
struct iommu_tracking_state {
    uint32_t changing; /* 1 while a CPU is in iommu_domain_track() */
    uint32_t how;      /* enum iommu_tracking */
    uint32_t level;
    bool no_pruning;
    struct dirty_bitmap *unmapped; /* RCU; NULL: nobody is told what leaves the tree */
    uint32_t leaving;              /* unmaps, and who took over from one, that have not reported yet */
    uint64_t merges_begun;         /* ever; see merges_beside() */
    uint64_t merges_ended;
    bool owes_unmapped;               /* an unmap was not confirmed: its pages may be being written still */
    struct spinlock unconfirmed_lock; /* over the next three */
    uint64_t unconfirmed_iova;  /* what a harvest has cleared and no invalidation confirmed: iova > last */
    uint64_t unconfirmed_last;  /* where there is nothing */
    uint64_t unconfirmed_count; /* of such harvests */
};

void iommu_tracking_init(struct iommu_tracking_state *tracking);

/* Words of a report that needs no memory: 4 MiB. */
#define UNMAPPED_WORDS 16

/* What an unmap takes out of the tree: its caller's bitmap and track->unmapped get it when it is
 * final, that is when no unit goes by the old entries any more. What was told before that could be copied
 * before the last write. */
struct unmapped {
    uint64_t iova;
    uint64_t last;
    struct dirty_bitmap *bitmap; /* what the engine is to report to; NULL: nobody asks */
    struct dirty_bitmap *dirty;  /* the caller's; NULL */
    bool all_writable;           /* of what was there when it began; else what dirty bits say */
    bool noted;                  /* in notes; else in the caller's bitmap itself, or nowhere */
    struct dirty_bitmap notes;
    uint64_t words[UNMAPPED_WORDS];
};

/* Before anything of [iova, last] is taken out, which is the caller's. Outside RCU read sections. */
void unmapped_begin(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct dirty_bitmap *dirty,
                    struct unmapped *unmapped);

/* After the invalidation, with whatever result. */
void unmapped_end(struct iommu_domain *domain, struct unmapped *unmapped);

/* An unmap was not confirmed: whenever what it left is, all of track->unmapped is reported. */
void unmapped_not_confirmed(struct iommu_domain *domain);

/* Who has everything invalidated takes that on himself before, and with his result he reports it. */
bool unmapped_take_over(struct iommu_domain *domain);
void unmapped_confirmed(struct iommu_domain *domain, bool owed, int error);

/* Has the domain go by another track->unmapped, or none, and returns when nobody uses the one before: after a
 * grace period, where there was one. One call at a time. */
void unmapped_change(struct iommu_domain *domain, struct dirty_bitmap *bitmap);

/* iommu_domain_track() by the tracker whose source the domain is, which alone may call it then. */
int iommu_track_as_source(struct iommu_domain *domain, const struct iommu_track *track) MUST_CHECK;

/* NULL if the domain can be tracked in some way. The walk runs beside map and unmap, so tables must outlive
 * it. And if it can be tracked by dirty bits. */
const char *iommu_why_not_tracked(const struct iommu_domain *domain);
const char *iommu_why_not_dirty(const struct iommu_domain *domain);

/* NULL if HARVEST_PRUNED() is heeded. */
const char *iommu_why_not_prunes(const struct iommu_domain *domain);

/* Marks in bitmap what of [iova, last] is mapped writable. Returns how many leaves that are. */
uint64_t iommu_mark_writable(struct iommu_domain *domain, uint64_t iova, uint64_t last,
                             struct dirty_bitmap *bitmap);
