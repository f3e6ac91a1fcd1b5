/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain as a source of a VM's tracker. */
#include "iommu/track_source.h"
#include "iommu/domain.h"
#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/log.h"
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

static int start(struct tracker_source *any, unsigned level, struct dirty_bitmap *unmapped)
{
    struct iommu_track_source *source = of(any);
    struct iommu_domain_info info;
    int error;

    iommu_domain_info(source->domain, &info);
    if (info.tracking != IOMMU_TRACKING_OFF) {
        log_error("iommu: domain %s: it is tracked by somebody else", info.name);
        return ERR_BUSY;
    }
    source->track.level = level;
    source->track.unmapped = unmapped;
    error = iommu_domain_track(source->domain, &source->track);
    if (!error)
        atomic_write(&source->domain->is_source, true);
    return error;
}

static int stop(struct tracker_source *any)
{
    struct iommu_domain *domain = of(any)->domain;

    atomic_write(&domain->is_source, false);
    return iommu_domain_track(domain, &(struct iommu_track){.how = IOMMU_TRACKING_OFF});
}

static int pass(struct tracker_source *any, uint64_t first, uint64_t last, struct dirty_bitmap *bitmap,
                unsigned flags, struct harvest_stats *stats)
{
    if (!clip(of(any), first, &last))
        return 0;
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
    error = iommu_domain_track(source->domain, &source->track);
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
