/* SPDX-License-Identifier: BSD-2-Clause */
/* Pruned passes: they report what edu wrote, and look at little more than that. */

#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include <string.h>

/* A page in each of so many tables of level 0, side by side in one GiB, which is harvested as a whole. All
 * are the same memory: only who went where matters. */
#define TABLES       128u
#define TABLE_SPAN   (2 * MIB)
#define IOVA         GIB
#define LAST         (2 * GIB - 1)
#define BITMAP_ORDER 3

_Static_assert(PAGE_SIZE << BITMAP_ORDER == GIB / PAGE_SIZE / 8, "a bit for each page");
_Static_assert(TABLES % HARVEST_AUDIT_SHARES == 0, "each share has as many");

struct pruning {
    struct edu_bench bench;
    char *page;
    uint64_t *words;
    bool audits;
    unsigned passes;            /* pruned ones: says which share the next one audits */
    uint64_t reported;          /* pages, by the newest pass, */
    struct harvest_stats found; /* and what else it came to */
};

static uint64_t iova_of(unsigned table)
{
    return IOVA + table * TABLE_SPAN;
}

static int harvest(struct pruning *pruning, unsigned flags)
{
    struct dirty_bitmap bitmap = {pruning->words, IOVA, LAST};
    int error;

    memset(pruning->words, 0, PAGE_SIZE << BITMAP_ORDER);
    pruning->found = (struct harvest_stats){0};
    error = iommu_harvest(pruning->bench.domain, IOVA, LAST, &bitmap, flags, &pruning->found);
    pruning->reported = 0;
    for (unsigned word = 0; word < GIB / PAGE_SIZE / 64; word++)
        pruning->reported += bitmap_count_word(pruning->words[word]);
    return error;
}

static int pruned_pass(struct pruning *pruning)
{
    return harvest(pruning, HARVEST_PRUNED(pruning->passes++));
}

/* Whatever map and start have left in the tables' entries is gone after the second one. */
static int settle(struct pruning *pruning)
{
    int error = harvest(pruning, 0);

    return error ? error : harvest(pruning, 0);
}

static int make(struct pruning *pruning)
{
    const struct iommu_track track = {.how = IOMMU_TRACKING_DIRTY_BITS, .level = PT_LEAF_LEVEL_MAX};
    int error = 0;

    pruning->page = pages_alloc(0, PAGE_DMA);
    pruning->words = pages_alloc(BITMAP_ORDER, PAGE_HYPERVISOR);
    if (!pruning->page || !pruning->words)
        return ERR_NOMEM;
    for (unsigned table = 0; !error && table < TABLES; table++)
        error = iommu_map(pruning->bench.domain, iova_of(table), iova_of(table) + PAGE_SIZE - 1,
                          virt_to_phys(pruning->page), PT_READ | PT_WRITE);
    if (!error)
        error = iommu_domain_track(pruning->bench.domain, &track);
    return error ? error : settle(pruning);
}

static void pruning_close(struct pruning *pruning)
{
    int error = iommu_unmap(pruning->bench.domain, IOVA, LAST, NULL);

    if (error)
        tap_ok(false, "unmap: %s", error_text(error));
    else if (pruning->page)
        pages_free(pruning->page);
    if (pruning->words)
        pages_free(pruning->words);
    edu_bench_close(&pruning->bench);
}

/* False: it cannot be, which is said; nothing is left then. */
static bool pruning_open(struct pruning *pruning)
{
    struct iommu_domain_info info;
    int error;

    memset(pruning, 0, sizeof *pruning);
    if (!edu_bench_open(&pruning->bench))
        return false;
    iommu_domain_info(pruning->bench.domain, &info);
    pruning->audits = info.audits;
    if (!info.prunes) {
        tap_skip("not pruned: %s", info.why_not_prunes);
        edu_bench_close(&pruning->bench);
        return false;
    }
    error = make(pruning);
    if (!error)
        return true;
    tap_ok(false, "pages in %u tables: %s", TABLES, error_text(error));
    pruning_close(pruning);
    return false;
}

/* A pass, which reports just the pages of these tables, if any, and looks at so many tables and at those that
 * it audits. */
static void check_pass(struct pruning *pruning, const unsigned *written, unsigned count, unsigned tables,
                       const char *what)
{
    int error = pruned_pass(pruning);
    const struct harvest_stats *found = &pruning->found;
    bool all = true;

    for (unsigned i = 0; i < count; i++)
        all &= bitmap_test(pruning->words, (iova_of(written[i]) - IOVA) / PAGE_SIZE);
    tap_ok(!error && all && pruning->reported == count, "%s: %u pages are reported, these alone (%llu, %s)",
           what, count, (unsigned long long)pruning->reported, error_text(error));
    tap_ok(found->tables - found->audited == tables && found->pruned,
           "%s: %u tables are looked at (%llu, %llu of them audited), others are left out (%llu entries)",
           what, tables, (unsigned long long)found->tables, (unsigned long long)found->audited,
           (unsigned long long)found->pruned);
}

static void check_writes(struct pruning *pruning, const unsigned *written, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int error = edu_write(&pruning->bench.edu, iova_of(written[i]) + 8, 16);

        if (error)
            tap_ok(false, "edu: %s", error_text(error));
    }
    check_pass(pruning, written, count, count, "after writes");
    /* What was cached until that pass's invalidation had come to its end set no accessed bit. */
    check_pass(pruning, NULL, 0, count, "once more");
    check_pass(pruning, NULL, 0, 0, "and once more");
}

TEST(prune_little_touched)
{
    static const unsigned first[] = {0, 63, TABLES - 1}, second[] = {63, 64};
    struct pruning pruning;

    if (!pruning_open(&pruning))
        return;
    check_pass(&pruning, NULL, 0, 0, "nothing is written");
    check_writes(&pruning, first, ARRAY_SIZE(first));
    check_writes(&pruning, second, ARRAY_SIZE(second));
    pruning_close(&pruning);
}

/* 64 passes have looked at each table once, where there is an audit, and it has nothing to object to. */
TEST(prune_audited)
{
    struct harvest_stats sum = {0};
    struct iommu_domain_info info;
    struct pruning pruning;
    uint64_t reported = 0;
    int error = 0;

    if (!pruning_open(&pruning))
        return;
    for (unsigned i = 0; !error && i < HARVEST_AUDIT_SHARES; i++) {
        error = pruned_pass(&pruning);
        harvest_stats_add(&sum, &pruning.found);
        reported += pruning.reported;
    }
    tap_ok(!error && !reported, "%u passes report nothing (%llu pages, %s)", HARVEST_AUDIT_SHARES,
           (unsigned long long)reported, error_text(error));
    tap_ok(sum.audited == (pruning.audits ? TABLES : 0) && sum.tables == sum.audited,
           "of %u tables they look at %llu, each of them for the audit", TABLES,
           (unsigned long long)sum.tables);
    iommu_domain_info(pruning.bench.domain, &info);
    tap_ok(!sum.audit_dirty && info.prunes, "the audit finds nothing, and pruning goes on");
    pruning_close(&pruning);
}
