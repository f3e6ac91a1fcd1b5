/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-test of accessed and dirty bits, by a device's own DMA: a table of steps, each of them an access
 * and what a look at the dirty bits must then say. */
#include "iommu/self_test.h"
#include "iommu/domain.h"
#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"
#include <stdio.h>

/* Of the test's own domain, where nothing else is: whatever its width, and off the interrupt window. */
#define SMALL_IOVA  (1 * GIB)
#define LARGE_IOVA  (SMALL_IOVA + 2 * MIB)
#define SOURCE_IOVA (SMALL_IOVA + 4 * MIB)

#define SMALL_ORDER 2 /* too few pages for a larger leaf */
#define LARGE_ORDER 9
#define WORDS       ((1u << LARGE_ORDER) / 64)

enum touch { NOTHING, READ, WRITE };
enum look { HARVEST, KEEP, UNMAP };

struct step {
    enum touch touch;
    unsigned page;
    enum look look;
    bool dirty; /* the page has to be reported, and with it all of its leaf; else nothing */
    const char *what;
};

/* Page 2 is never touched: it has to be in no report. Page 1 is read before it is written: what a unit has
 * cached of a read must not serve a write whose dirty bit it did not set. */
static const struct step small_steps[] = {
    {NOTHING, 0, HARVEST, false, "a page that nothing touched"},
    {WRITE, 0, HARVEST, true, "a page that was written"},
    {NOTHING, 0, HARVEST, false, "a page that was written before the last harvest only"},
    {WRITE, 0, HARVEST, true, "a page that was written again after a harvest"},
    {READ, 1, KEEP, false, "a page that was only read"},
    {WRITE, 1, KEEP, true, "a page that was written after it was read"},
    {NOTHING, 1, KEEP, true, "a page that a harvest left dirty on request"},
    {NOTHING, 1, HARVEST, true, "a page that two harvests left dirty on request"},
    {READ, 1, HARVEST, false, "a page that was only read since the last harvest"},
    {WRITE, 1, HARVEST, true, "a page that was written after it was read and harvested"},
    {WRITE, 3, UNMAP, true, "a page that was written and unmapped"},
};

static const struct step large_steps[] = {
    {NOTHING, 0, HARVEST, false, "a leaf of 2 MiB that nothing touched"},
    {WRITE, 77, HARVEST, true, "a leaf of 2 MiB that was written"},
    {WRITE, 300, HARVEST, true, "a leaf of 2 MiB that was written again after a harvest"},
    {WRITE, 511, UNMAP, true, "a leaf of 2 MiB that was written and unmapped"},
};

/* One leaf size. */
struct range {
    uint64_t iova;
    unsigned order;
    unsigned level; /* of its leaves */
    const struct step *steps;
    unsigned count;
};

static const struct range small = {SMALL_IOVA, SMALL_ORDER, 0, small_steps, ARRAY_SIZE(small_steps)};
static const struct range large = {LARGE_IOVA, LARGE_ORDER, 1, large_steps, ARRAY_SIZE(large_steps)};

/* The verdict is "passed" for as long as nothing is wrong. */
struct run {
    struct iommu_dma_source *source;
    struct iommu_domain *domain;
    bool reads_may_count;
    bool unmap_failed; /* its pages may be reached still, and no later unmap would say so */
    struct iommu_self_test *result;
};

static uint64_t last_of(const struct range *range)
{
    return range->iova + (PAGE_SIZE << range->order) - 1;
}

static bool give_up(struct run *run, const char *why)
{
    run->result->verdict = IOMMU_NOT_TESTED;
    run->result->what = why;
    return false;
}

static bool give_up_for(struct run *run, int error)
{
    return give_up(run, error == ERR_TIMEOUT ? "the device does not answer" : error_text(error));
}

static bool fail(struct run *run, const char *what, const char *problem)
{
    run->result->verdict = IOMMU_FAILED;
    run->result->what = what;
    run->result->problem = problem;
    return false;
}

static int touch(struct run *run, const struct range *range, const struct step *step)
{
    uint64_t iova = range->iova + step->page * PAGE_SIZE;

    if (step->touch == NOTHING)
        return 0;
    return step->touch == READ ? run->source->read(run->source, iova) : run->source->write(run->source, iova);
}

static int look(struct run *run, const struct range *range, enum look how, uint64_t words[WORDS])
{
    struct dirty_bitmap bitmap = {words, range->iova, last_of(range)};

    if (how == UNMAP) {
        int error = iommu_unmap(run->domain, range->iova, last_of(range), &bitmap);

        run->unmap_failed = error != 0;
        return error;
    }
    return iommu_harvest(run->domain, range->iova, last_of(range), &bitmap, how == KEEP ? HARVEST_KEEP : 0,
                         NULL);
}

static bool compare(struct run *run, const struct range *range, const struct step *step,
                    const uint64_t words[WORDS])
{
    bool missing = false, extra = false, other = false;

    for (unsigned page = 0; page < 1u << range->order; page++) {
        bool of_leaf = range->level || page == step->page;
        bool reported = words[page / 64] >> page % 64 & 1;
        bool expected = step->dirty && of_leaf;

        if (reported && of_leaf && step->touch == READ && run->reads_may_count)
            run->result->reads_count = true;
        else if (reported && !expected)
            *(of_leaf ? &extra : &other) = true;
        missing = missing || (!reported && expected);
    }
    if (missing && !mutant(SELF_TEST_MISSES))
        return fail(run, step->what, "is not reported");
    if (extra)
        return fail(run, step->what, "is reported");
    return other ? fail(run, step->what, "has another one reported") : true;
}

/* False: that was the last one. */
static bool take(struct run *run, const struct range *range, const struct step *step)
{
    uint64_t words[WORDS] = {0};
    int error = touch(run, range, step);

    if (error)
        return give_up_for(run, error);
    if (look(run, range, step->look, words))
        return fail(run, step->what, "is harvested, and the unit does not confirm it");
    return compare(run, range, step, words);
}

static bool has_leaves(struct run *run, const struct range *range)
{
    struct pt_leaf leaf;

    return iommu_lookup(run->domain, range->iova, &leaf) && leaf.level == range->level;
}

/* What a fresh mapping says is nothing to go by. */
static void take_steps(struct run *run, const struct range *range)
{
    uint64_t words[WORDS] = {0};
    const struct step *step = range->steps;

    if (look(run, range, HARVEST, words)) {
        fail(run, "a page that was just mapped", "is harvested, and the unit does not confirm it");
        return;
    }
    while (step < range->steps + range->count && take(run, range, step))
        step++;
}

/* Unless the last step has. */
static void take_out(struct run *run, const struct range *range, void *pages)
{
    if (run->unmap_failed || iommu_unmap(run->domain, range->iova, last_of(range), NULL))
        log_error("iommu: self-test: %llu KiB stay out of use", (PAGE_SIZE << range->order) / KIB);
    else
        pages_free(pages);
}

/* ERR_NOMEM; ERR_UNSUPPORTED: the domain's leaves are smaller; and as iommu_map(): no step was taken. */
static int test_range(struct run *run, const struct range *range)
{
    void *pages = pages_alloc(range->order, PAGE_DMA);
    int error;

    if (!pages)
        return ERR_NOMEM;
    error = iommu_map(run->domain, range->iova, last_of(range), virt_to_phys(pages), PT_READ | PT_WRITE);
    if (error == ERR_TIMEOUT || error == ERR_HARDWARE)
        return error; /* with it the pages, which a device may reach */
    if (!error && !has_leaves(run, range))
        error = ERR_UNSUPPORTED;
    if (!error)
        take_steps(run, range);
    take_out(run, range, pages);
    return error;
}

static void test_ranges(struct run *run)
{
    int error = test_range(run, &small);

    if (error)
        give_up(run, error_text(error));
    else if (run->result->verdict == IOMMU_PASSED)
        run->result->large = !test_range(run, &large);
}

static void run_in_domain(struct run *run)
{
    const struct iommu_track track = {.how = IOMMU_TRACKING_DIRTY_BITS, .level = PT_LEAF_LEVEL_MAX};
    struct iommu_domain_info info;
    int error;

    iommu_domain_info(run->domain, &info);
    if (!info.tracks_dirty) {
        give_up(run, info.why_not_dirty);
        return;
    }
    run->reads_may_count = info.reads_are_dirty;
    error = iommu_domain_track(run->domain, &track);
    if (error) {
        give_up_for(run, error);
        return;
    }
    error = run->source->open(run->source, run->domain, SOURCE_IOVA);
    if (error) {
        give_up_for(run, error);
        return;
    }
    test_ranges(run);
    error = run->source->close(run->source);
    if (error)
        log_warn("iommu: self-test: " PCI_FORMAT " was not closed cleanly: %s", PCI_ARGS(run->source->device),
                 error_text(error));
}

void iommu_self_test_run(struct iommu_dma_source *source, struct iommu_self_test *result)
{
    struct run run = {.source = source, .result = result};
    int error;

    *result = (struct iommu_self_test){.verdict = IOMMU_PASSED, .has_device = true, .device = source->device};
    run.domain = iommu_domain_create("self-test", &error);
    if (run.domain)
        run.domain->owns_nothing = true;
    if (!run.domain) {
        give_up_for(&run, error);
        return;
    }
    run_in_domain(&run);
    error = iommu_domain_destroy(run.domain);
    if (error)
        log_error("iommu: the self-test's domain stays: %s", error_text(error));
}

void iommu_self_test_text(const struct iommu_self_test *result, char *text, size_t bytes)
{
    char device[24] = "";

    if (result->has_device)
        snprintf(device, sizeof device, " by " PCI_FORMAT, PCI_ARGS(result->device));
    if (result->verdict == IOMMU_PASSED)
        snprintf(text, bytes, "passed%s, leaves of %s%s", device, result->large ? "4 KiB and 2 MiB" : "4 KiB",
                 result->reads_count ? "; a page that is only read counts as written" : "");
    else if (result->verdict == IOMMU_FAILED)
        snprintf(text, bytes, "FAILED%s: %s %s", device, result->what, result->problem);
    else
        snprintf(text, bytes, "not tested%s: %s", device, result->what);
}
