/* SPDX-License-Identifier: BSD-2-Clause */
/* Tracking of the pages that devices write: start, change, stop, and the harvest. */
#include "iommu/tracking.h"
#include "iommu/domain.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/units.h"
#include <inttypes.h>

void iommu_tracking_init(struct iommu_tracking_state *tracking)
{
    *tracking = (struct iommu_tracking_state){.unconfirmed_iova = ~0ull};
}

const char *iommu_why_not_tracked(const struct iommu_domain *domain)
{
    if (!domain->pt.root)
        return "nothing is translated in it";
    if (!(domain->ops->flags & DOMAIN_FLAG_RCU_FREE_PAGES))
        return "it frees tables without a grace period";
    return NULL;
}

const char *iommu_why_not_dirty(const struct iommu_domain *domain)
{
    const char *why_not = iommu_why_not_tracked(domain);

    if (why_not || domain->tracks_dirty)
        return why_not;
    return domain->why_not_dirty ? domain->why_not_dirty : "its units keep no dirty bits";
}

const char *iommu_why_not_prunes(const struct iommu_domain *domain)
{
    if (!domain->pruning.allowed)
        return domain->pruning.why_not ? domain->pruning.why_not : "its units keep no accessed bits";
    if (atomic_read(&domain->pruning.found_wrong))
        return "an audit found a dirty page in what was left out";
    return atomic_read(&domain->tracking.no_pruning) ? "who tracks it asked not to" : NULL;
}

/* --- start, change, stop --- */

static int refuse(const struct iommu_domain *domain, int error, const char *why)
{
    log_error("iommu: domain %s: %s: %s", domain->name,
              error == ERR_UNSUPPORTED ? "dirty pages cannot be tracked" : "tracking stays as it is", why);
    return error;
}

static int check_unmapped(const struct iommu_domain *domain, const struct dirty_bitmap *bitmap)
{
    if (!bitmap || (bitmap->words && bitmap->iova <= bitmap->last && is_aligned(bitmap->iova, PAGE_SIZE) &&
                    is_aligned(bitmap->last + 1, PAGE_SIZE)))
        return 0;
    return refuse(domain, ERR_INVALID, "the bitmap of what is unmapped is not one of whole pages");
}

static int check_track(const struct iommu_domain *domain, const struct iommu_track *track)
{
    const char *why_not;

    if (track->how == IOMMU_TRACKING_OFF)
        return 0;
    if (track->how > IOMMU_TRACKING_ALL_WRITABLE)
        return refuse(domain, ERR_INVALID, "there is no such way to track");
    if (track->level > PT_LEAF_LEVEL_MAX)
        return refuse(domain, ERR_INVALID, "there are no leaves of that level");
    why_not =
        track->how == IOMMU_TRACKING_DIRTY_BITS ? iommu_why_not_dirty(domain) : iommu_why_not_tracked(domain);
    return why_not ? refuse(domain, ERR_UNSUPPORTED, why_not) : check_unmapped(domain, track->unmapped);
}

static void set_level(struct iommu_domain *domain, unsigned level)
{
    atomic_write(&domain->tracking.level, level);
    atomic_write(&domain->pt.map_leaf_levels, (uint8_t)(domain->pt.leaf_levels & ((2u << level) - 1)));
}

/* What hardware does is as it is to be, or was never asked. */
static void stop_reports(struct iommu_domain *domain)
{
    atomic_write(&domain->tracking.how, IOMMU_TRACKING_OFF);
    atomic_write(&domain->pt.map_leaf_levels, domain->pt.leaf_levels);
    unmapped_change(domain, NULL);
}

static int stop(struct iommu_domain *domain)
{
    bool bits = atomic_read(&domain->tracking.how) == IOMMU_TRACKING_DIRTY_BITS;
    int error = bits && domain->ops->track ? domain->ops->track(domain, false) : 0;

    stop_reports(domain);
    return error;
}

static void set(struct iommu_domain *domain, const struct iommu_track *track)
{
    set_level(domain, track->level);
    atomic_write(&domain->tracking.no_pruning, track->no_pruning);
}

/* Software reports before hardware does: unmaps that begin when this has returned find all they need. */
static int start(struct iommu_domain *domain, const struct iommu_track *track)
{
    int error = 0;

    set(domain, track);
    atomic_write(&domain->tracking.how, track->how);
    unmapped_change(domain, track->unmapped);
    if (track->how == IOMMU_TRACKING_DIRTY_BITS && domain->ops->track)
        error = domain->ops->track(domain, true);
    if (!error)
        return 0;
    log_error("iommu: domain %s: tracking does not start: %s", domain->name, error_text(error));
    stop_reports(domain);
    return error;
}

static int change(struct iommu_domain *domain, const struct iommu_track *track)
{
    enum iommu_tracking how = atomic_read(&domain->tracking.how);

    if (how == track->how && how != IOMMU_TRACKING_OFF) {
        set(domain, track);
        unmapped_change(domain, track->unmapped);
        return 0;
    }
    if (track->how == IOMMU_TRACKING_OFF)
        return how == IOMMU_TRACKING_OFF ? 0 : stop(domain);
    if (how != IOMMU_TRACKING_OFF)
        return refuse(domain, ERR_INVALID, "it is tracked another way, which has to stop first");
    return start(domain, track);
}

static bool enter(struct iommu_domain *domain)
{
    uint32_t idle = 0;

    return atomic_compare_exchange(&domain->tracking.changing, &idle, 1u);
}

static void leave(struct iommu_domain *domain)
{
    atomic_write_release(&domain->tracking.changing, 0u);
}

/* The look at is_source comes after entering: a tracker that makes the domain its source beside it finds it
 * tracked, or changing, or is found here. */
int iommu_domain_track(struct iommu_domain *domain, const struct iommu_track *track)
{
    int error = check_track(domain, track);

    if (error)
        return error;
    if (!enter(domain))
        return ERR_BUSY;
    error = atomic_read(&domain->is_source) ? refuse(domain, ERR_BUSY, "it is part of a tracker")
                                            : change(domain, track);
    leave(domain);
    return error;
}

/* Whoever else is in there leaves soon, since he finds that he must not. */
int iommu_track_as_source(struct iommu_domain *domain, const struct iommu_track *track)
{
    int error = check_track(domain, track);

    if (error)
        return error;
    while (!enter(domain))
        platform_relax();
    error = change(domain, track);
    leave(domain);
    return error;
}

/* --- what was cleared, and no invalidation confirmed --- */

/* Units may hold translations of it that say "dirty is set already", by which devices write and set nothing.
 * The pages are in a bitmap that its owner keeps until a harvest returns 0: so each harvest invalidates them,
 * wherever it looks itself. Returns how many such harvests that covers. */
static uint64_t add_unconfirmed(struct iommu_domain *domain, struct gather *gather)
{
    struct iommu_tracking_state *tracking = &domain->tracking;
    uint64_t count;

    if (mutant(UNCONFIRMED_FORGOTTEN))
        return 0;
    spin_lock(&tracking->unconfirmed_lock);
    count = tracking->unconfirmed_count;
    if (tracking->unconfirmed_iova <= tracking->unconfirmed_last) {
        gather_add_range(gather, tracking->unconfirmed_iova, tracking->unconfirmed_last);
        gather_add_table_entries(
            gather); /* table entries too: what they lead to was not invalidated either */
    }
    spin_unlock(&tracking->unconfirmed_lock);
    return count;
}

/* Those are done with, unless there is one more. */
static void forget_unconfirmed(struct iommu_domain *domain, uint64_t count)
{
    struct iommu_tracking_state *tracking = &domain->tracking;

    spin_lock(&tracking->unconfirmed_lock);
    if (tracking->unconfirmed_count == count) {
        tracking->unconfirmed_iova = ~0ull;
        tracking->unconfirmed_last = 0;
    }
    spin_unlock(&tracking->unconfirmed_lock);
}

static void note_unconfirmed(struct iommu_domain *domain, const struct gather *gather)
{
    struct iommu_tracking_state *tracking = &domain->tracking;

    spin_lock(&tracking->unconfirmed_lock);
    if (gather->iova < tracking->unconfirmed_iova)
        tracking->unconfirmed_iova = gather->iova;
    if (gather->last > tracking->unconfirmed_last)
        tracking->unconfirmed_last = gather->last;
    tracking->unconfirmed_count++;
    spin_unlock(&tracking->unconfirmed_lock);
}

/* --- harvest --- */

/* All that HARVEST_PRUNED() can have. */
#define PRUNED_FLAGS HARVEST_PRUNED(HARVEST_AUDIT_SHARES - 1)

static bool are_flags(unsigned flags)
{
    const unsigned pruned = HARVEST_PRUNE | HARVEST_AUDIT;

    if (flags & ~(PRUNED_FLAGS | HARVEST_KEEP | HARVEST_WHOLE_LEAVES))
        return false;
    return !(flags & PRUNED_FLAGS) || (flags & pruned) == pruned;
}

static int check_harvest(const struct iommu_domain *domain, uint64_t iova, uint64_t last,
                         const struct dirty_bitmap *bitmap, unsigned flags)
{
    int error = domain->pt.root ? pt_check_range(&domain->pt, iova, last) : ERR_UNSUPPORTED;

    if (error)
        return error;
    if (!are_flags(flags) || iova < bitmap->iova || last > bitmap->last ||
        !is_aligned(bitmap->iova, PAGE_SIZE))
        return ERR_INVALID;
    if (atomic_read(&domain->tracking.how) != IOMMU_TRACKING_OFF)
        return 0;
    log_error("iommu: domain %s: nothing is harvested: it is not tracked", domain->name);
    return ERR_INVALID;
}

struct marking {
    uint64_t iova, last;
    struct dirty_bitmap *bitmap;
    uint64_t leaves;
};

static bool mark_writable(void *context, const struct pt_leaf *leaf)
{
    struct marking *marking = context;
    uint64_t end = leaf->iova + PT_ENTRY_SIZE(leaf->level) - 1;

    if (!(leaf->prot & PT_WRITE))
        return true;
    marking->leaves++;
    dirty_bitmap_mark(marking->bitmap, leaf->iova > marking->iova ? leaf->iova : marking->iova,
                      end < marking->last ? end : marking->last);
    return true;
}

uint64_t iommu_mark_writable(struct iommu_domain *domain, uint64_t iova, uint64_t last,
                             struct dirty_bitmap *bitmap)
{
    struct marking marking = {iova, last, bitmap, 0};

    domain->pt_ops->visit(&domain->pt, iova, last, mark_writable, &marking);
    return marking.leaves;
}

static unsigned choose_flags(struct iommu_domain *domain, unsigned flags)
{
    if (iommu_why_not_prunes(domain))
        return flags & ~PRUNED_FLAGS;
    return domain->pruning.audited ? flags : flags & ~(PRUNED_FLAGS - HARVEST_PRUNE);
}

/* What else was left out so far is dirty still, and the next harvest finds it. */
static void check_audit(struct iommu_domain *domain, const struct harvest_stats *stats)
{
    if (!stats->audit_dirty || atomic_exchange(&domain->pruning.found_wrong, true))
        return;
    log_error("iommu: domain %s: %" PRIu64
              " dirty leaves were found where accessed bits said that nothing was "
              "touched: its harvests prune no more",
              domain->name, stats->audit_dirty);
}

/* What was reported before this completes could be copied before the last write through a translation that
 * says "dirty is set already". */
static int confirm_harvest(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct gather *gather,
                           struct harvest_stats *stats)
{
    uint64_t count = add_unconfirmed(domain, gather), begin_ns;
    bool owed = unmapped_take_over(domain);
    int error;

    /* The pages that an unmap took out may be written still: the pass is not over before they are not. */
    if (owed && !mutant(UNMAP_OWES_NOTHING)) {
        gather_add_range(gather, 0, pt_span_last(&domain->pt));
        gather_add_table_entries(gather);
    }
    if (gather_empty(gather) || mutant(NO_HARVEST_INVALIDATION))
        return 0;
    begin_ns = platform_time_ns();
    error = domain->ops->invalidate(domain, gather);
    stats->invalidation_ns += platform_time_ns() - begin_ns;
    unmapped_confirmed(domain, owed, error);
    if (!error) {
        forget_unconfirmed(domain, count);
        return 0;
    }
    note_unconfirmed(domain, gather);
    /* What is cached there sets no accessed bit either: the next harvests look at all of it. */
    domain->pt_ops->mark_walked(&domain->pt, iova, last);
    return error;
}

static int harvest_dirty_bits(struct iommu_domain *domain, uint64_t iova, uint64_t last,
                              struct dirty_bitmap *bitmap, unsigned flags, struct harvest_stats *stats)
{
    struct gather gather;

    gather_init(&gather);
    domain->pt_ops->harvest(&domain->pt, iova, last, bitmap, choose_flags(domain, flags), &gather, stats);
    check_audit(domain, stats);
    return flags & HARVEST_KEEP ? 0 : confirm_harvest(domain, iova, last, &gather, stats);
}

/* Nothing is cleared; but what an unmap left unconfirmed is to be confirmed. */
static int harvest_all_writable(struct iommu_domain *domain, uint64_t iova, uint64_t last,
                                struct dirty_bitmap *bitmap, unsigned flags, struct harvest_stats *stats)
{
    struct gather gather;

    gather_init(&gather);
    stats->dirty = stats->entries = iommu_mark_writable(domain, iova, last, bitmap);
    return flags & HARVEST_KEEP ? 0 : confirm_harvest(domain, iova, last, &gather, stats);
}

/* Merges that were under way at any time since `ended` of them had ended. */
static uint64_t merges_beside(const struct iommu_domain *domain, uint64_t ended)
{
    return mutant(MERGE_NOT_COUNTED) ? 0 : atomic_read(&domain->tracking.merges_begun) - ended;
}

int iommu_harvest(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct dirty_bitmap *bitmap,
                  unsigned flags, struct harvest_stats *stats)
{
    struct harvest_stats own = {0};
    int error = check_harvest(domain, iova, last, bitmap, flags);
    uint64_t ended;

    if (error)
        return error;
    /* Before the scan: the partner is in iommu_merge(). */
    ended = atomic_read_acquire(&domain->tracking.merges_ended);
    if (atomic_read(&domain->tracking.how) == IOMMU_TRACKING_ALL_WRITABLE)
        error = harvest_all_writable(domain, iova, last, bitmap, flags, &own);
    else
        error = harvest_dirty_bits(domain, iova, last, bitmap, flags, &own);
    compiler_barrier(); /* the scan before the counts, as x86 keeps loads: unmapped.c */
    own.leaving = mutant(LEAVING_NOT_COUNTED) ? 0 : atomic_read(&domain->tracking.leaving);
    own.leaving += merges_beside(domain, ended);
    if (stats)
        harvest_stats_add(stats, &own);
    return error;
}
