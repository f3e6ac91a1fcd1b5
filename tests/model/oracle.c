/* SPDX-License-Identifier: BSD-2-Clause */
/* The oracle's calls about pages: what stands mapped, and what harvests say. */
#include "tests/model/oracle.h"
#include "lib/bitmap.h"
#include "tests/model/history.h"
#include "tests/model/oracle_state.h"
#include "tests/model/store_buffer.h"
#include "tests/model/violation.h"
#include <stdlib.h>

struct oracle *oracle_make_bare(uint64_t iova, unsigned pages, bool tracked)
{
    struct oracle *oracle = calloc(1, sizeof *oracle + pages * sizeof oracle->pages[0]);

    expect(oracle && pages <= ORACLE_PAGES_MAX && is_aligned(iova, PAGE_SIZE));
    oracle->iova = iova;
    oracle->page_count = pages;
    oracle->tracked = tracked;
    return oracle;
}

static struct dirty_bitmap make_bitmap(const struct oracle *oracle)
{
    uint64_t *words = calloc(bitmap_words(oracle->page_count), sizeof *words);

    expect(words);
    return (struct dirty_bitmap){words, oracle->iova, oracle->iova + oracle->page_count * PAGE_SIZE - 1};
}

struct oracle *oracle_make(struct iommu_domain *domain, uint64_t iova, unsigned pages)
{
    struct oracle *oracle = oracle_make_bare(iova, pages, false);

    oracle->domain = domain;
    oracle->unmapped = make_bitmap(oracle);
    oracle->carry = make_bitmap(oracle).words;
    return oracle;
}

int oracle_track(struct oracle *oracle, enum iommu_tracking how)
{
    const struct iommu_track track = {how, PT_LEAF_LEVEL_MAX, false, &oracle->unmapped};
    int error;

    history("tracking: how %lu, begins", (uint64_t)how);
    if (how == IOMMU_TRACKING_OFF)
        oracle->tracked = false;
    error = iommu_domain_track(oracle->domain, &track);
    history("tracking: how %lu, ends: error %ld", (uint64_t)how, (uint64_t)error);
    for (unsigned i = 0; i < oracle->page_count && !oracle->tracked; i++) {
        oracle_ledger_copied(oracle, i);
        bitmap_clear(oracle->carry, i);
    }
    oracle->tracked = !error && how != IOMMU_TRACKING_OFF;
    return error;
}

/* Whether a page was reported as unmapped, since it was asked last. */
static bool take_unmapped(struct oracle *oracle, unsigned page)
{
    uint64_t bit = 1ull << page % 64;

    return oracle->tracked && atomic_fetch_and(&oracle->unmapped.words[page / 64], ~bit) & bit;
}

void oracle_take_unmapped(struct oracle *oracle)
{
    for (unsigned i = 0; i < oracle->page_count; i++)
        if (take_unmapped(oracle, i))
            oracle_ledger_copied(oracle, i);
}

void oracle_clip(const struct oracle *oracle, uint64_t iova, uint64_t last, unsigned *first, unsigned *end)
{
    uint64_t window_last = oracle->iova + oracle->page_count * PAGE_SIZE - 1;

    *first = *end = 0;
    if (iova > window_last || last < oracle->iova)
        return;
    *first = iova > oracle->iova ? (unsigned)((iova - oracle->iova) / PAGE_SIZE) : 0;
    *end = (unsigned)(((last < window_last ? last : window_last) - oracle->iova) / PAGE_SIZE) + 1;
}

/* --- map and unmap --- */

void oracle_map_begins(struct oracle *oracle, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot)
{
    unsigned first, end;

    history("map of %lx-%lx to hpa %lx begins (prot %lu)", iova, last, hpa, prot);
    oracle_clip(oracle, iova, last, &first, &end);
    for (unsigned i = first; i < end; i++) {
        struct oracle_page *page = &oracle->pages[i];

        /* Callers do not overlap. What is mapped stays so: the call will fail. */
        expect(page->standing == STANDING_OUT || page->standing == STANDING_IN);
        if (page->standing == STANDING_IN)
            continue;
        page->standing = STANDING_COMING;
        page->prot = prot;
        page->hpa = hpa + (oracle_iova(oracle, i) - iova);
    }
}

static void page_is_out(struct oracle_page *page, bool unconfirmed)
{
    page->past[page->past_next++ % PAST_MAPPINGS] =
        (struct past_mapping){page->hpa, schedule_step(), unconfirmed};
    page->standing = STANDING_OUT;
}

void oracle_map_ends(struct oracle *oracle, uint64_t iova, uint64_t last, int error)
{
    unsigned first, end;

    /* Who learns that it has ended learns so by a later store of this CPU: what it stored before is in memory
     * by then. */
    store_buffer_drain();
    history("map of %lx-%lx ends: error %ld", iova, last, (uint64_t)error);
    oracle_clip(oracle, iova, last, &first, &end);
    for (unsigned i = first; i < end; i++) {
        struct oracle_page *page = &oracle->pages[i];

        if (page->standing != STANDING_COMING)
            continue;
        page->standing = STANDING_IN;
        page->since = schedule_step();
        if (error)
            page_is_out(page, oracle_is_unconfirmed(error));
        oracle_ledger_mapped(oracle, i, !error, oracle->domain && take_unmapped(oracle, i));
    }
}

void oracle_unmap_begins(struct oracle *oracle, uint64_t iova, uint64_t last)
{
    unsigned first, end;

    history("unmap of %lx-%lx begins", iova, last);
    oracle_clip(oracle, iova, last, &first, &end);
    for (unsigned i = first; i < end; i++) {
        struct oracle_page *page = &oracle->pages[i];

        expect(page->standing == STANDING_OUT || page->standing == STANDING_IN);
        if (page->standing == STANDING_IN)
            page->standing = STANDING_GOING;
    }
}

void oracle_unmap_ends(struct oracle *oracle, uint64_t iova, uint64_t last, const uint64_t *dirty, int error)
{
    bool unmapped = !error || oracle_is_unconfirmed(error);
    unsigned first, end;

    history("unmap of %lx-%lx ends: error %ld", iova, last, (uint64_t)error);
    oracle_clip(oracle, iova, last, &first, &end);
    for (unsigned i = first; i < end; i++) {
        struct oracle_page *page = &oracle->pages[i];

        if (page->standing != STANDING_GOING)
            continue;
        page->standing = STANDING_IN;
        if (!unmapped)
            continue;
        page_is_out(page, error);
        oracle_ledger_unmapped(oracle, i, dirty && bitmap_test(dirty, i));
    }
}

/* The caller's bitmap and track->unmapped must both have a page, unless somebody took it from there already,
 * who has copied it then; or a harvest that failed has it. */
static void compare_reports(struct oracle *oracle, uint64_t iova, uint64_t last, uint64_t *dirty)
{
    unsigned first, end;

    oracle_clip(oracle, iova, last, &first, &end);
    for (unsigned i = first; i < end; i++) {
        if (!take_unmapped(oracle, i))
            bitmap_clear(dirty, i);
        if (bitmap_test(oracle->carry, i))
            bitmap_set(dirty, i);
    }
}

/* Tracking started beside the unmap, which reports to track->unmapped alone. */
static void report_late(struct oracle *oracle, uint64_t iova, uint64_t last, uint64_t *dirty)
{
    unsigned first, end;

    oracle_clip(oracle, iova, last, &first, &end);
    for (unsigned i = first; i < end; i++)
        if (take_unmapped(oracle, i))
            bitmap_set(dirty, i);
}

/* What is there of before says nothing about the call that begins. */
static void forget_unmapped(struct oracle *oracle, uint64_t iova, uint64_t last)
{
    unsigned first, end;

    oracle_clip(oracle, iova, last, &first, &end);
    for (unsigned i = first; i < end; i++)
        (void)take_unmapped(oracle, i);
}

int oracle_map(struct oracle *oracle, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot)
{
    int error;

    forget_unmapped(oracle, iova, last);
    oracle_map_begins(oracle, iova, last, hpa, prot);
    error = iommu_map(oracle->domain, iova, last, hpa, prot);
    oracle_map_ends(oracle, iova, last, error);
    return error;
}

int oracle_unmap(struct oracle *oracle, uint64_t iova, uint64_t last)
{
    struct dirty_bitmap bitmap = make_bitmap(oracle);
    bool tracked = oracle->tracked;
    int error;

    forget_unmapped(oracle, iova, last);
    oracle_unmap_begins(oracle, iova, last);
    error = iommu_unmap(oracle->domain, iova, last, tracked ? &bitmap : NULL);
    if (tracked)
        compare_reports(oracle, iova, last, bitmap.words);
    else
        report_late(oracle, iova, last, bitmap.words);
    oracle_unmap_ends(oracle, iova, last, bitmap.words, error);
    free(bitmap.words);
    return error;
}

int oracle_release(struct oracle *oracle)
{
    int error = iommu_domain_release_quarantine(oracle->domain);

    history("release of what is in quarantine: error %ld", (uint64_t)error);
    for (unsigned i = 0; !error && i < oracle->page_count; i++)
        for (unsigned n = 0; n < PAST_MAPPINGS; n++)
            oracle->pages[i].past[n].unconfirmed = false;
    return error;
}

/* --- harvest --- */

/* Pages of a harvest that failed are copied after one that did not. */
static void carry(struct oracle *oracle, uint64_t iova, uint64_t last, uint64_t *dirty, int error)
{
    unsigned first, end;

    oracle_clip(oracle, iova, last, &first, &end);
    for (unsigned i = first; i < end; i++) {
        if (bitmap_test(oracle->carry, i))
            bitmap_set(dirty, i);
        if (error && bitmap_test(dirty, i))
            bitmap_set(oracle->carry, i);
        else
            bitmap_clear(oracle->carry, i);
    }
}

int oracle_harvest(struct oracle *oracle, uint64_t iova, uint64_t last)
{
    struct dirty_bitmap bitmap = make_bitmap(oracle);
    unsigned harvest = oracle_harvest_begins(oracle, iova, last);
    unsigned flags = oracle->prunes ? HARVEST_PRUNED(harvest) : 0;
    struct harvest_stats stats = {0};
    int error = iommu_harvest(oracle->domain, iova, last, &bitmap, flags, &stats);

    carry(oracle, iova, last, bitmap.words, error);
    oracle_harvest_ends(oracle, harvest, bitmap.words, error, stats.leaving == 0);
    free(bitmap.words);
    return error;
}

void oracle_prune(struct oracle *oracle, bool on)
{
    oracle->prunes = on;
}

/* --- leaves of other sizes --- */

int oracle_split(struct oracle *oracle, uint64_t iova, uint64_t last, unsigned level)
{
    int error;

    history("split of %lx-%lx to level %lu begins", iova, last, (uint64_t)level);
    error = iommu_split(oracle->domain, iova, last, level);
    history("split of %lx-%lx ends: error %ld", iova, last, (uint64_t)error);
    return error;
}

int oracle_merge(struct oracle *oracle, uint64_t iova, uint64_t last)
{
    unsigned first, end;
    int error;

    oracle_clip(oracle, iova, last, &first, &end);
    for (unsigned i = first; i < end; i++)
        oracle->pages[i].merging = true;
    history("merge of %lx-%lx begins", iova, last);
    error = iommu_merge(oracle->domain, iova, last);
    history("merge of %lx-%lx ends: error %ld", iova, last, (uint64_t)error);
    for (unsigned i = first; i < end; i++)
        oracle_ledger_merged(oracle, i);
    return error;
}

void oracle_finish(struct oracle *oracle)
{
    uint64_t last = oracle_iova(oracle, oracle->page_count) - 1;

    if (!oracle->tracked)
        return;
    for (unsigned i = 0; i < 2; i++)
        expect_equal(oracle_harvest(oracle, oracle->iova, last), 0);
    for (unsigned i = 0; i < oracle->page_count; i++)
        expect_equal(oracle->pages[i].unreported.count, 0);
    history("%lu writes, %lu harvests, %lu pages reported that nobody wrote", oracle->writes,
            oracle->harvest_count, oracle->extra);
}
