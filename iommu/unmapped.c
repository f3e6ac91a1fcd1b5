/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports of what leaves a domain's tree, to the caller's bitmap and to track->unmapped. Who else is about:
 *
 * - Who empties track->unmapped, at any time, copies what it found at once. So nothing is put there before it
 *   is final: an unmap takes notes of its own, and hands them on after its invalidation.
 *
 * - A start of tracking. An unmap that found no track->unmapped when it began took no notes. It looks once
 *   more when its invalidation has completed, and if there is one then, reports all of its range. A write
 *   that must be reported was made after the start had returned, so after the pointer was in memory, which
 *   the start's full fence sees to; it found the page mapped, so it was made before the invalidation
 *   completed, which this CPU has seen before it looks. So it sees the pointer. Notes of dirty bits are worth
 *   nothing when all that is writable counts by then: units set no dirty bit for what is written since.
 *
 * - A harvest that finds an entry empty of which the notes are here. They are counted as leaving, by a locked
 *   instruction before anything is taken out, and no more when they are handed on. The harvest reads that
 *   after its scan, and loads stay in order: so it has seen the dirty bit in the tree, or counts this one, or
 *   the report is there already. Who wants all there is harvests until none is leaving. So is it counted when
 *   somebody has taken over what an unmap owes, and has the invalidation still to come.
 *
 * - A stop, or a change to another bitmap, after which the caller may free the first. The pointer is an RCU
 *   pointer: it is written, and then a grace period ends those that have read the one before. Here a bitmap
 *   is used in read sections only, and each of them finds its bitmap anew. They do nothing but read notes and
 *   write bits, so they wait for nobody, and a large report is made in as many as keep each of them short.
 *   When the bitmap changes between two, each has what was reported while it was the domain's. That is
 *   enough: what is reported was final before the first of them, so no write to it comes after the change;
 *   and what is under way when tracking stops need not be reported. */
#include "iommu/domain.h"
#include "lib/mutant.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include <stdlib.h>
#include <string.h>

/* So much is reported in one read section: 64 Ki pages, 8 KiB of bits. */
#define SECTION_BYTES (256 * MIB)

void unmapped_change(struct iommu_domain *domain, struct dirty_bitmap *bitmap)
{
    struct dirty_bitmap *before = atomic_read(&domain->tracking.unmapped);

    if (before == bitmap)
        return;
    rcu_assign_pointer(&domain->tracking.unmapped, bitmap);
    if (before && !mutant(UNMAPPED_NOT_AWAITED))
        synchronize_rcu();
    else if (!before && !mutant(UNMAPPED_START_UNFENCED))
        atomic_fence_full(); /* the pointer before all that its caller does when this has returned */
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
    const struct dirty_bitmap *bitmap;
    uint64_t words;

    unmapped->notes = (struct dirty_bitmap){unmapped->words, ~0ull, 0};
    rcu_read_lock();
    bitmap = rcu_dereference(&domain->tracking.unmapped);
    if (bitmap)
        clip(unmapped, bitmap);
    rcu_read_unlock();
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
    } else if (unmapped->dirty && !mutant(UNNOTED_NOT_REPORTED)) {
        clip(&clipped, unmapped->dirty);
        if (clipped.notes.iova <= clipped.notes.last)
            (void)iommu_mark_writable(domain, clipped.notes.iova, clipped.notes.last, unmapped->dirty);
    }
}

static bool counts_all_writable(const struct iommu_domain *domain)
{
    return atomic_read(&domain->tracking.how) == IOMMU_TRACKING_ALL_WRITABLE;
}

void unmapped_begin(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct dirty_bitmap *dirty,
                    struct unmapped *unmapped)
{
    (void)atomic_fetch_add(&domain->tracking.leaving, 1u);
    /* In this order: a start writes how it is tracked before the pointer. */
    bool reported = atomic_read_acquire(&domain->tracking.unmapped);

    unmapped->all_writable = counts_all_writable(domain);
    unmapped->iova = iova;
    unmapped->last = last;
    unmapped->dirty = dirty;
    unmapped->noted = (reported || (unmapped->all_writable && dirty)) && make_notes(domain, unmapped);
    unmapped->bitmap = unmapped->noted ? &unmapped->notes : dirty;
    if (unmapped->all_writable)
        mark_all_writable(domain, unmapped);
}

/* What the notes say of [iova, last], a run of pages at a time. */
static void hand_on(const struct dirty_bitmap *notes, uint64_t iova, uint64_t last,
                    struct dirty_bitmap *bitmap)
{
    uint64_t end = ((last - notes->iova) >> PAGE_LG2) + 1;

    for (uint64_t page = (iova - notes->iova) >> PAGE_LG2; page < end; page++) {
        uint64_t first = page;

        if (page % 64 == 0 && !notes->words[page / 64]) {
            page += 63;
            continue;
        }
        while (page < end && bitmap_test(notes->words, page))
            page++;
        if (page > first)
            dirty_bitmap_mark(bitmap, notes->iova + (first << PAGE_LG2),
                              notes->iova + (page << PAGE_LG2) - 1);
    }
}

/* Notes were taken for the bitmap of then, and this one may reach further; and for how the domain was tracked
 * then: where all that is writable counts since, units may set no dirty bits any more. The bitmap was read
 * before, so this sees how it is tracked that has it. */
static bool notes_tell(const struct iommu_domain *domain, const struct unmapped *unmapped, uint64_t iova,
                       uint64_t last)
{
    return unmapped->noted && iova >= unmapped->notes.iova && last <= unmapped->notes.last &&
           (unmapped->all_writable || !counts_all_writable(domain) || mutant(UNMAPPED_OF_OTHER_WAY));
}

/* Without notes nobody knows what was written. */
static void report_range(const struct iommu_domain *domain, const struct unmapped *unmapped, uint64_t iova,
                         uint64_t last, struct dirty_bitmap *bitmap)
{
    if (notes_tell(domain, unmapped, iova, last))
        hand_on(&unmapped->notes, iova, last, bitmap);
    else if (!mutant(UNMAPPED_BESIDE_START))
        dirty_bitmap_mark(bitmap, iova, last);
}

/* From *iova on, which it moves, as much as keeps a read section short. False: there is no more. */
static bool report_some(struct iommu_domain *domain, const struct unmapped *unmapped, uint64_t *iova)
{
    struct dirty_bitmap *bitmap;
    bool more = false;

    rcu_read_lock();
    bitmap = rcu_dereference(&domain->tracking.unmapped);
    if (bitmap && *iova <= bitmap->last) {
        uint64_t first = *iova > bitmap->iova ? *iova : bitmap->iova;
        uint64_t last = unmapped->last < bitmap->last ? unmapped->last : bitmap->last;

        if (last > (first | (SECTION_BYTES - 1)) && !mutant(UNMAPPED_AT_ONCE))
            last = first | (SECTION_BYTES - 1);
        if (first <= last)
            report_range(domain, unmapped, first, last, bitmap);
        more = last < unmapped->last;
        *iova = last + 1;
    }
    rcu_read_unlock();
    return more;
}

static void report(struct iommu_domain *domain, const struct unmapped *unmapped)
{
    uint64_t iova = unmapped->iova;

    while (report_some(domain, unmapped, &iova))
        rcu_quiescent();
}

void unmapped_end(struct iommu_domain *domain, struct unmapped *unmapped)
{
    if (!mutant(UNMAPPED_NOT_REPORTED))
        report(domain, unmapped);
    (void)atomic_fetch_sub(&domain->tracking.leaving, 1u);
    if (!unmapped->noted)
        return;
    if (unmapped->dirty)
        hand_on(&unmapped->notes, unmapped->notes.iova, unmapped->notes.last, unmapped->dirty);
    if (unmapped->notes.words != unmapped->words)
        free(unmapped->notes.words);
}

void unmapped_not_confirmed(struct iommu_domain *domain)
{
    atomic_write_release(&domain->tracking.owes_unmapped, true);
}

bool unmapped_take_over(struct iommu_domain *domain)
{
    if (!atomic_read(&domain->tracking.owes_unmapped))
        return false;
    (void)atomic_fetch_add(&domain->tracking.leaving, 1u);
    if (atomic_exchange(&domain->tracking.owes_unmapped, false))
        return true;
    (void)atomic_fetch_sub(&domain->tracking.leaving, 1u);
    return false;
}

void unmapped_confirmed(struct iommu_domain *domain, bool owed, int error)
{
    if (!owed)
        return;
    if (error)
        unmapped_not_confirmed(domain);
    else
        report(domain, &(struct unmapped){.iova = 0, .last = UINT64_MAX});
    (void)atomic_fetch_sub(&domain->tracking.leaving, 1u);
}
