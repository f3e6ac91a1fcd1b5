/* SPDX-License-Identifier: BSD-2-Clause */
/* Unmaps, and maps that are taken back, whose every allocation fails in turn: no page that was written is
 * missing from track->unmapped or from the caller's own bitmap, whatever these reach. Too much is in them at
 * worst, and nothing of that where all allocations succeed. The linker sends allocations through here
 * (rules.mk). */
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "tests/host/host.h"
#include "tests/host/track_fixture.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <stdlib.h>
#include <string.h>

/* --- allocations that fail --- */

void *__wrap_calloc(size_t count, size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void __wrap_free(void *block);
void __real_free(void *block);
void *__wrap_pages_alloc(unsigned order, enum page_use use);
void *__real_pages_alloc(unsigned order, enum page_use use);

static struct {
    bool counts;
    unsigned left; /* allocations until one fails */
    bool failed;
    int blocks; /* that were not freed */
} memory;
static unsigned notes_failed, tables_failed;

static bool fails(unsigned *failures)
{
    if (!memory.counts || memory.left-- != 0)
        return false;
    memory.failed = true;
    ++*failures;
    return true;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    if (fails(&notes_failed))
        return NULL;
    memory.blocks += memory.counts;
    return __real_calloc(count, bytes);
}

void __wrap_free(void *block)
{
    memory.blocks -= memory.counts && block;
    __real_free(block);
}

void *__wrap_pages_alloc(unsigned order, enum page_use use)
{
    return fails(&tables_failed) ? NULL : __real_pages_alloc(order, use);
}

/* --- what is unmapped --- */

/* Both edges lie in large leaves, which takes tables. */
#define IOVA (BASE + 1 * MIB)
#define LAST (BASE + 13 * MIB - 1)
#define ROOM (BASE + 20 * MIB) /* for what is mapped, and for bitmaps */

/* Written when its table has left the tree, as a whole. */
#define LATE (BASE + 4 * MIB + 9 * PAGE_SIZE)

static const struct reach {
    uint64_t iova, last;
} reaches[] = {
    {1, 0},                                 /* no bitmap */
    {BASE + 4 * MIB, BASE + 6 * MIB - 1},   /* little, for which notes need no memory */
    {IOVA, LAST},                           /* all */
    {BASE - 4 * MIB, ROOM - 1},             /* more at both ends */
    {BASE + 7 * MIB, ROOM - 1},             /* one part, and more */
    {BASE + 14 * MIB, BASE + 16 * MIB - 1}, /* nothing */
};

#define WORDS ((24 * MIB) / PAGE_SIZE / 64)

/* A bitmap under test. */
struct report {
    struct dirty_bitmap bitmap;
    uint64_t words[WORDS];
    bool is_there;
};

static struct report gone, own;
static uint64_t expected[(ROOM - BASE) / PAGE_SIZE / 64]; /* from BASE on */

static struct dirty_bitmap *make_report(struct report *report, const struct reach *reach)
{
    memset(report, 0, sizeof *report);
    report->bitmap = (struct dirty_bitmap){report->words, reach->iova, reach->last};
    report->is_there = reach->iova < reach->last;
    return report->is_there ? &report->bitmap : NULL;
}

static bool is_reported(const struct report *report, uint64_t iova)
{
    return bitmap_test(report->words, (iova - report->bitmap.iova) / PAGE_SIZE);
}

static bool is_expected(uint64_t iova)
{
    return iova >= BASE && iova < ROOM && bitmap_test(expected, (iova - BASE) / PAGE_SIZE);
}

/* Exactly: nothing that was not written. */
static void check_report(const struct report *report, bool exactly)
{
    for (uint64_t iova = report->bitmap.iova; report->is_there && iova < report->bitmap.last;
         iova += PAGE_SIZE) {
        if (is_expected(iova) && !is_reported(report, iova))
            fail_msg("page %#llx was written, and is not reported", (unsigned long long)iova);
        if (is_reported(report, iova) && (exactly ? !is_expected(iova) : iova < IOVA || iova > LAST))
            fail_msg("page %#llx is reported", (unsigned long long)iova);
    }
}

static void see_no_report(void)
{
    for (unsigned i = 0; i < WORDS; i++)
        assert_int_equal(gone.words[i], 0);
}

static void expect_pages(uint64_t iova, uint64_t last)
{
    uint64_t from = iova > IOVA ? iova : IOVA, to = last < LAST ? last : LAST;

    bitmap_set_range(expected, (from - BASE) / PAGE_SIZE, (to - BASE) / PAGE_SIZE);
}

/* A device writes, and a leaf has one dirty bit. Where all that is writable counts hardware sets none. */
static void write_page(enum iommu_tracking how, uint64_t iova)
{
    uint64_t bytes = PT_ENTRY_SIZE(track_level_at(iova)), start = align_down(iova, bytes);

    if (how == IOMMU_TRACKING_DIRTY_BITS)
        track_write(iova);
    expect_pages(start, start + bytes - 1);
}

static const struct {
    uint64_t iova, bytes;
} ranges[] = {
    {BASE, 2 * MIB},                       /* one leaf */
    {BASE + 2 * MIB, 2 * MIB - PAGE_SIZE}, /* leaves of 4 KiB, as these */
    {BASE + 4 * MIB, 2 * MIB - PAGE_SIZE},
    {BASE + 8 * MIB, 2 * MIB},
    {BASE + 12 * MIB, 2 * MIB},
};

static const uint64_t written[] = {
    IOVA + 5 * PAGE_SIZE,       BASE + 2 * MIB + 7 * PAGE_SIZE,  BASE + 4 * MIB,
    BASE + 8 * MIB + PAGE_SIZE, BASE + 12 * MIB + 3 * PAGE_SIZE,
};

static uint64_t *late_slot;

static void map_and_write(enum iommu_tracking how)
{
    struct tree_leaf leaf;

    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        assert_int_equal(track_map(ranges[i].iova, ranges[i].bytes), 0);
        if (how == IOMMU_TRACKING_ALL_WRITABLE)
            expect_pages(ranges[i].iova, ranges[i].iova + ranges[i].bytes - 1);
    }
    assert_int_equal(
        iommu_map(track_domain, BASE + 10 * MIB, BASE + 10 * MIB + 4 * PAGE_SIZE - 1, track_dma, PT_READ), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(written); i++)
        write_page(how, written[i]);
    assert_true(tree_find(&tree_formats[1], &tree_through_cache, &track_domain->pt, LATE, &leaf));
    late_slot = leaf.slot;
}

/* --- one run --- */

struct run {
    enum iommu_tracking how;
    const struct reach *gone, *own;
};

static struct run now;

static void track(void)
{
    const struct iommu_track track = {
        .how = now.how, .level = PT_LEAF_LEVEL_MAX, .unmapped = make_report(&gone, now.gone)};

    assert_int_equal(iommu_domain_track(track_domain, &track), 0);
}

/* A device that goes on through the table that has left the tree. */
static void write_late(struct iommu_domain *of)
{
    (void)of;
    see_no_report();
    if (!late_slot)
        return;
    if (now.how == IOMMU_TRACKING_DIRTY_BITS)
        *late_slot |= tree_formats[1].accessed | tree_formats[1].dirty;
    expect_pages(LATE, LATE + PAGE_SIZE - 1);
    late_slot = NULL;
}

/* Without memory to cut the leaves at the edges nothing has changed, dirty bits included. */
static void see_nothing_changed(void)
{
    struct tree_leaf leaf;

    for (unsigned i = 0; i < ARRAY_SIZE(written); i++) {
        assert_true(tree_find(&tree_formats[1], &tree_through_cache, &track_domain->pt, written[i], &leaf));
        assert_true(now.how == IOMMU_TRACKING_ALL_WRITABLE || leaf.entry & tree_formats[1].dirty);
    }
    memset(expected, 0, sizeof expected);
}

static void unmap(void)
{
    int error;

    track();
    map_and_write(now.how);
    track_hardware.on_invalidate = write_late;
    memory.counts = true;
    error = iommu_unmap(track_domain, IOVA, LAST, make_report(&own, now.own));
    memory.counts = false;
    if (error == ERR_NOMEM)
        see_nothing_changed();
    else
        assert_int_equal(error, 0);
    check_report(&gone, !memory.failed);
    check_report(&own, !memory.failed);
}

static struct report gone_at_stop;

static void stop_meanwhile(struct iommu_domain *of)
{
    write_late(of);
    assert_int_equal(iommu_domain_track(of, &track_off), 0);
    gone_at_stop = gone;
    track_hardware.on_invalidate = NULL;
}

/* What was under way need not be reported, and the bitmap is its owner's again; but who unmaps is told. */
static void unmap_beside_stop(void)
{
    int error;

    track();
    map_and_write(now.how);
    track_hardware.on_invalidate = stop_meanwhile;
    memory.counts = true;
    error = iommu_unmap(track_domain, IOVA, LAST, make_report(&own, now.own));
    memory.counts = false;
    if (error == ERR_NOMEM)
        see_nothing_changed();
    else
        assert_memory_equal(&gone, &gone_at_stop, sizeof gone);
    check_report(&own, !memory.failed);
}

/* --- a map that is taken back --- */

/* Before it is taken back, which what stands there then shows. */
static void write_what_stands(struct iommu_domain *of)
{
    struct pt_leaf leaf;

    for (uint64_t iova = IOVA; iova < LAST - PAGE_SIZE; iova += PAGE_SIZE)
        if (now.how == IOMMU_TRACKING_ALL_WRITABLE && iommu_lookup(of, iova, &leaf))
            expect_pages(iova, iova + PAGE_SIZE - 1);
    for (unsigned i = 0; i < ARRAY_SIZE(written); i++)
        if (iommu_lookup(of, written[i], &leaf))
            write_page(now.how, written[i]);
}

/* By leaves of 4 KiB, whose tables take memory all along. */
static void map_over_the_last_page(void)
{
    struct pt_leaf leaf;
    int error;

    track();
    assert_int_equal(track_map(LAST + 1 - PAGE_SIZE, PAGE_SIZE), 0);
    track_hardware.on_unlink = write_what_stands;
    track_hardware.on_invalidate = write_late;
    memory.counts = true;
    error = iommu_map(track_domain, IOVA, LAST, OTHERS + IOVA % GIB + PAGE_SIZE, PT_READ | PT_WRITE);
    memory.counts = false;
    assert_true(error == ERR_EXISTS || (error == ERR_NOMEM && memory.failed));
    check_report(&gone, !memory.failed);
    for (uint64_t iova = IOVA; iova < LAST - PAGE_SIZE; iova += PAGE_SIZE)
        assert_false(iommu_lookup(track_domain, iova, &leaf));
    assert_true(iommu_lookup(track_domain, LAST, &leaf));
}

/* --- every allocation in turn --- */

static uint64_t free_pages(void)
{
    struct page_alloc_stats stats;

    page_alloc_stats(&stats);
    return stats.free_pages;
}

static bool begun;

static void begin(unsigned succeed)
{
    memset(&memory, 0, sizeof memory);
    memset(expected, 0, sizeof expected);
    late_slot = NULL;
    memory.left = succeed;
    (void)track_setup(NULL);
    begun = true;
}

/* Also after a run that has failed, as a teardown of cmocka. */
static int end(void **state)
{
    memory.counts = false;
    if (begun)
        (void)track_teardown(state);
    begun = false;
    return 0;
}

static void fail_in_turn(void (*operation)(void))
{
    unsigned succeed = 0;

    do {
        uint64_t free_before = free_pages();

        begin(succeed++);
        operation();
        assert_int_equal(memory.blocks, 0);
        (void)end(NULL);
        assert_int_equal(free_pages(), free_before);
    } while (memory.failed);
}

static void run_all(void (*operation)(void), unsigned owns)
{
    static const enum iommu_tracking ways[] = {IOMMU_TRACKING_DIRTY_BITS, IOMMU_TRACKING_ALL_WRITABLE};

    notes_failed = tables_failed = 0;
    for (unsigned way = 0; way < ARRAY_SIZE(ways); way++)
        for (unsigned i = 0; i < ARRAY_SIZE(reaches); i++)
            for (unsigned j = 0; j < owns; j++) {
                now = (struct run){ways[way], &reaches[i], &reaches[j]};
                fail_in_turn(operation);
            }
    assert_true(notes_failed && tables_failed);
}

static void an_unmap_loses_no_report(void **state)
{
    (void)state;
    run_all(unmap, ARRAY_SIZE(reaches));
}

static void an_unmap_beside_a_stop_tells_its_own_caller_all(void **state)
{
    (void)state;
    run_all(unmap_beside_stop, ARRAY_SIZE(reaches));
}

static void a_map_that_is_taken_back_loses_no_report(void **state)
{
    (void)state;
    host_set_for_devices(OTHERS, OTHERS + GIB - 1);
    run_all(map_over_the_last_page, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_unmap_loses_no_report, end),
        cmocka_unit_test_teardown(an_unmap_beside_a_stop_tells_its_own_caller_all, end),
        cmocka_unit_test_teardown(a_map_that_is_taken_back_loses_no_report, end),
    };

    track_init();
    return cmocka_run_group_tests_name("track_memory", tests, NULL, NULL);
}
