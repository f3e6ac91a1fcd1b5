/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports of what leaves a domain's tree, to the caller's bitmap and to track->unmapped. Who else is about:
 *
 * - Who empties track->unmapped, at any time, copies what it found at once. So nothing is put there before it
 *   is final: an unmap takes notes of its own, and hands them on after its invalidation.
 *
 * - A start of tracking. An unmap that found no track->unmapped when it began took no notes. It looks once
 *   more when its invalidation has completed, and if there is one then, reports all of its range. A write
 * that must be reported was made after the start had returned, so after the pointer was written; it found the
 *   page mapped, so it was made before the invalidation completed, which this CPU has seen before it looks.
 * So it sees the pointer.
 *
 * - A harvest that finds an entry empty of which the notes are here. They are counted as leaving, by a locked
 *   instruction before anything is taken out, and no more when they are handed on. The harvest reads that
 *   after its scan, full fence in between: so it has seen the dirty bit in the tree, or counts this one, or
 *   the report is there already. Who wants all there is harvests until none is leaving.
 *
 * - A stop, or a change to another bitmap, after which the caller may free the first. It writes the pointer,
 *   full fence, and waits until there are no users; here the users are raised by a locked instruction before
 *   the pointer is read (hold()). So one of the two sees the other. What is under way when tracking stops
 *   need not be reported. Users only write into memory between hold() and release(), and wait for nobody. */
#include "iommu/domain.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/units.h"
#include <stdlib.h>
#include <string.h>

/* Far longer than it takes to write a bitmap. */
#define USERS_NS (60 * NS_PER_S)

static struct dirty_bitmap *hold(struct iommu_domain *domain)
{
    struct iommu_tracking_state *tracking = &domain->tracking;
    struct dirty_bitmap *bitmap;

    if (!atomic_read(&tracking->unmapped))
        return NULL;
    atomic_fetch_add(&tracking->unmapped_users, 1u);
    bitmap = atomic_read_acquire(&tracking->unmapped);
    if (!bitmap)
        atomic_fetch_sub(&tracking->unmapped_users, 1u);
    return bitmap;
}

static void release(struct iommu_domain *domain)
{
    atomic_fetch_sub(&domain->tracking.unmapped_users, 1u);
}

int unmapped_change(struct iommu_domain *domain, struct dirty_bitmap *bitmap)
{
    struct iommu_tracking_state *tracking = &domain->tracking;

    if (atomic_read(&tracking->unmapped) == bitmap)
        return 0;
    /* The pointer before the users: its partner is in hold(). */
    atomic_write_release(&tracking->unmapped, bitmap);
    atomic_fence_full();
    if (mutant(UNMAPPED_NOT_AWAITED) || wait_until(!atomic_read(&tracking->unmapped_users), USERS_NS))
        return 0;
    log_error("iommu: domain %s: a CPU does not end its report of what it unmapped, and goes on using the "
              "bitmap that it is for",
              domain->name);
    return ERR_TIMEOUT;
}

static void clip(struct unmapped *unmapped, const struct dirty_bitmap *to)
{
    struct dirty_bitmap *notes = &unmapped->notes;
    uint64_t iova = to->iova > unmapped->iova ? to->iova : unmapped->iova;
    uint64_t last = to->last < unmapped->last ? to->last : unmapped->last;

    if (iova > last)
        return;
    notes->iova = iova < notes->iova ? iova : notes->iova;
    notes->last = last > notes->last ? last : notes->last;
}

/* Notes reach as far as somebody asks. False: nobody does, or there is no memory for them. */
static bool make_notes(struct iommu_domain *domain, struct unmapped *unmapped)
{
    const struct dirty_bitmap *bitmap = hold(domain);
    uint64_t words;

    unmapped->notes = (struct dirty_bitmap){unmapped->words, ~0ull, 0};
    if (bitmap) {
        clip(unmapped, bitmap);
        release(domain);
    }
    if (unmapped->dirty)
        clip(unmapped, unmapped->dirty);
    if (unmapped->notes.iova > unmapped->notes.last)
        return false;
    words = bitmap_words((unmapped->notes.last - unmapped->notes.iova + 1) >> PAGE_LG2);
    if (words <= UNMAPPED_WORDS)
        memset(unmapped->words, 0, sizeof unmapped->words);
    else
        unmapped->notes.words = calloc(words, sizeof *unmapped->words);
    return unmapped->notes.words;
}

/* Without memory for notes the caller's bitmap gets it at once: all of it, since what a bitmap that was to be
 * reported to asks for is not known any more. */
static void mark_all_writable(struct iommu_domain *domain, struct unmapped *unmapped)
{
    struct unmapped clipped = {.iova = unmapped->iova, .last = unmapped->last, .notes = {NULL, ~0ull, 0}};

    if (unmapped->noted) {
        (void)iommu_mark_writable(domain, unmapped->notes.iova, unmapped->notes.last, &unmapped->notes);
    } else if (unmapped->dirty) {
        clip(&clipped, unmapped->dirty);
        if (clipped.notes.iova <= clipped.notes.last)
            (void)iommu_mark_writable(domain, clipped.notes.iova, clipped.notes.last, unmapped->dirty);
    }
}

void unmapped_begin(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct dirty_bitmap *dirty,
                    struct unmapped *unmapped)
{
    (void)atomic_fetch_add(&domain->tracking.leaving, 1u);
    /* In this order: a start writes how it is tracked before the pointer. */
    bool reported = atomic_read_acquire(&domain->tracking.unmapped);
    bool all_writable = atomic_read(&domain->tracking.how) == IOMMU_TRACKING_ALL_WRITABLE;

    unmapped->iova = iova;
    unmapped->last = last;
    unmapped->dirty = dirty;
    unmapped->noted = (reported || (all_writable && dirty)) && make_notes(domain, unmapped);
    unmapped->bitmap = unmapped->noted ? &unmapped->notes : dirty;
    if (all_writable)
        mark_all_writable(domain, unmapped);
}

/* What the notes say, a run of pages at a time. */
static void hand_on(const struct dirty_bitmap *notes, struct dirty_bitmap *bitmap)
{
    uint64_t pages = (notes->last - notes->iova + 1) >> PAGE_LG2;

    for (uint64_t page = 0; page < pages; page++) {
        uint64_t first = page;

        if (page % 64 == 0 && !notes->words[page / 64]) {
            page += 63;
            continue;
        }
        while (page < pages && bitmap_test(notes->words, page))
            page++;
        if (page > first)
            dirty_bitmap_mark(bitmap, notes->iova + (first << PAGE_LG2),
                              notes->iova + (page << PAGE_LG2) - 1);
    }
}

/* Notes were taken for the bitmap of then, and this one may reach further. */
static bool notes_are_whole(const struct unmapped *unmapped, const struct dirty_bitmap *bitmap)
{
    struct unmapped needed = {.iova = unmapped->iova, .last = unmapped->last, .notes = unmapped->notes};

    clip(&needed, bitmap);
    return needed.notes.iova == unmapped->notes.iova && needed.notes.last == unmapped->notes.last;
}

/* Without notes nobody knows what was written. */
static void report(const struct unmapped *unmapped, struct dirty_bitmap *bitmap)
{
    if (unmapped->noted && notes_are_whole(unmapped, bitmap))
        hand_on(&unmapped->notes, bitmap);
    else if (!mutant(UNMAPPED_BESIDE_START))
        dirty_bitmap_mark(bitmap, unmapped->iova, unmapped->last);
}

void unmapped_end(struct iommu_domain *domain, struct unmapped *unmapped)
{
    struct dirty_bitmap *bitmap = mutant(UNMAPPED_NOT_REPORTED) ? NULL : hold(domain);

    if (bitmap) {
        report(unmapped, bitmap);
        release(domain);
    }
    (void)atomic_fetch_sub(&domain->tracking.leaving, 1u);
    if (!unmapped->noted)
        return;
    if (unmapped->dirty)
        hand_on(&unmapped->notes, unmapped->dirty);
    if (unmapped->notes.words != unmapped->words)
        free(unmapped->notes.words);
}

void unmapped_not_confirmed(struct iommu_domain *domain)
{
    atomic_write_release(&domain->tracking.owes_unmapped, true);
}

bool unmapped_take_over(struct iommu_domain *domain)
{
    return atomic_exchange(&domain->tracking.owes_unmapped, false);
}

void unmapped_confirmed(struct iommu_domain *domain, bool owed, int error)
{
    struct dirty_bitmap *bitmap;

    if (!owed)
        return;
    if (error) {
        unmapped_not_confirmed(domain);
        return;
    }
    bitmap = hold(domain);
    if (!bitmap)
        return;
    dirty_bitmap_mark(bitmap, bitmap->iova, bitmap->last);
    release(domain);
}
