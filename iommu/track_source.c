/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain as a source of a VM's tracker. */
#include "iommu/track_source.h"
#include "iommu/domain.h"
#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/platform.h"
#include <string.h>

static struct iommu_track_source *of(struct tracker_source *source)
{
    return CONTAINER_OF(source, struct iommu_track_source, source);
}

/* Tables that translate less than the VM has can hold nothing beyond. False: nothing of the range is left. */
static bool clip(const struct iommu_track_source *source, uint64_t first, uint64_t *last)
{
    if (*last > source->last)
        *last = source->last;
    return first <= *last;
}

/* From here on nobody else changes how it is tracked. False: somebody does, or has it tracked. */
static bool take(struct iommu_domain *domain)
{
    bool taken = false;

    if (!atomic_compare_exchange(&domain->is_source, &taken, true))
        return false;
    atomic_fence_full(); /* its partner is in iommu_domain_track(), which enters and then looks */
    if (!atomic_read(&domain->tracking.changing) && atomic_read(&domain->tracking.how) == IOMMU_TRACKING_OFF)
        return true;
    atomic_write_release(&domain->is_source, false);
    return false;
}

static int start(struct tracker_source *any, unsigned level, struct dirty_bitmap *unmapped)
{
    struct iommu_track_source *source = of(any);
    int error;

    if (!take(source->domain)) {
        log_error("iommu: domain %s: it is tracked by somebody else", source->name);
        return ERR_BUSY;
    }
    source->track.level = level;
    source->track.unmapped = unmapped;
    error = iommu_track_as_source(source->domain, &source->track);
    if (error)
        atomic_write_release(&source->domain->is_source, false);
    return error;
}

static int stop(struct tracker_source *any)
{
    struct iommu_domain *domain = of(any)->domain;
    int error = iommu_track_as_source(domain, &(struct iommu_track){.how = IOMMU_TRACKING_OFF});

    atomic_write_release(&domain->is_source, false);
    return error;
}

static int pass(struct tracker_source *any, uint64_t first, uint64_t last, struct dirty_bitmap *bitmap,
                unsigned flags, struct harvest_stats *stats)
{
    if (!clip(of(any), first, &last))
        return 0;
    /* Nobody else asks this domain what is dirty, so of a leaf that reaches beyond what the tracker covers
     * the rest is of no use; kept, it would be reported in each pass, and no pass find nothing. */
    if (!mutant(LEAF_BEYOND_KEPT))
        flags |= HARVEST_WHOLE_LEAVES;
    return iommu_harvest(of(any)->domain, first, last, bitmap, flags, stats);
}

static int split(struct tracker_source *any, uint64_t first, uint64_t last, unsigned level)
{
    return clip(of(any), first, &last) ? iommu_split(of(any)->domain, first, last, level) : 0;
}

static int merge(struct tracker_source *any, uint64_t first, uint64_t last)
{
    return clip(of(any), first, &last) ? iommu_merge(of(any)->domain, first, last) : 0;
}

static void redirect(struct tracker_source *any, struct dirty_bitmap *unmapped)
{
    struct iommu_track_source *source = of(any);
    int error;

    source->track.unmapped = unmapped;
    error = iommu_track_as_source(source->domain, &source->track);
    /* No hardware has a part in this, and the domain's tracking is the tracker's alone. */
    if (error)
        platform_panic("iommu: domain %s: its reports of unmaps cannot go elsewhere: %s", source->name,
                       error_text(error));
}

static const struct tracker_source_ops source_ops = {
    .start = start,
    .stop = stop,
    .pass = pass,
    .split = split,
    .merge = merge,
    .redirect = redirect,
};

void iommu_track_source_init(struct iommu_track_source *source, struct iommu_domain *domain,
                             enum iommu_tracking how)
{
    struct iommu_domain_info info;

    iommu_domain_info(domain, &info);
    *source = (struct iommu_track_source){
        .source = {.ops = &source_ops, .guesses = how == IOMMU_TRACKING_ALL_WRITABLE},
        .domain = domain,
        .track = {.how = how},
        .last = info.address_lg2 < 64 ? (1ull << info.address_lg2) - 1 : UINT64_MAX,
    };
    memcpy(source->name, info.name, sizeof source->name);
    source->source.name = source->name;
}
