/* SPDX-License-Identifier: BSD-2-Clause */
/* Who decides about pruning, and what audits look at, on hardware that only takes notes. */
#include "iommu/domain.h"
#include "iommu/track_source.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/track_fixture.h"
#include "tests/host/unit.h"
#include <string.h>

static void a_harvest_prunes_only_where_the_domain_may(void **state)
{
    struct iommu_track track = track_bits;
    struct iommu_domain_info info;

    (void)state;
    track_hardware.pruning.why_not = "it is said to";
    track_make_again();
    assert_int_equal(iommu_domain_track(track_domain, &track), 0);
    track_harvest(0);
    assert_int_equal(track_hardware.flags, 0);
    iommu_domain_info(track_domain, &info);
    assert_false(info.prunes);
    assert_string_equal(info.why_not_prunes, "it is said to");
    track_hardware.pruning.allowed = true;
    track_make_again();
    assert_int_equal(iommu_domain_track(track_domain, &track), 0);
    track_harvest(0);
    assert_int_equal(track_hardware.flags, HARVEST_PRUNE);
    iommu_domain_info(track_domain, &info);
    assert_true(info.prunes && !info.audits && !info.why_not_prunes);
    track.no_pruning = true;
    assert_int_equal(iommu_domain_track(track_domain, &track), 0);
    track_harvest(0);
    assert_int_equal(track_hardware.flags, 0);
}

static void audit(void)
{
    track_hardware.pruning = (struct iommu_pruning){.allowed = true, .audited = true};
    track_make_again();
}

static int harvest(unsigned flags)
{
    return iommu_harvest(track_domain, track_bitmap.iova, track_bitmap.last, &track_bitmap, flags, NULL);
}

static void who_prunes_says_which_share_is_audited(void **state)
{
    const unsigned share = HARVEST_AUDIT | HARVEST_AUDIT_SHARE(64 + 5);

    (void)state;
    track_hardware.pruning.allowed = true;
    track_make_again();
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    assert_int_equal(harvest(HARVEST_PRUNE | share), 0);
    assert_int_equal(track_hardware.flags, HARVEST_PRUNE);
    audit();
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    assert_int_equal(harvest(HARVEST_PRUNE | share), 0);
    assert_int_equal(track_hardware.flags, HARVEST_PRUNE | share);
    assert_int_equal(HARVEST_AUDIT_SHARE_OF(share), 5);
    assert_int_equal(harvest(HARVEST_PRUNE), ERR_INVALID);
    assert_int_equal(harvest(share), ERR_INVALID);
    assert_int_equal(harvest(HARVEST_PRUNE | HARVEST_AUDIT_SHARE(1)), ERR_INVALID);
    assert_int_equal(harvest(HARVEST_PRUNE | HARVEST_AUDIT | HARVEST_AUDIT_SHARES << 8), ERR_INVALID);
}

static void what_an_audit_finds_ends_pruning(void **state)
{
    struct iommu_domain_info info;

    (void)state;
    audit();
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    track_hardware.audit_dirty = 2;
    track_harvest(0);
    assert_non_null(strstr(host_log(), "domain test: 2 dirty leaves were found where accessed bits said"));
    track_harvest(0);
    assert_int_equal(track_hardware.flags, 0);
    iommu_domain_info(track_domain, &info);
    assert_string_equal(info.why_not_prunes, "an audit found a dirty page in what was left out");
}

static uint64_t *entry_of_page(uint64_t iova)
{
    uint64_t *table = track_domain->pt.root;

    for (unsigned level = track_domain->pt.top_level; level; level--)
        table = phys_to_virt(table[iova >> PT_ENTRY_LG2(level) & 511] & 0xffffffffff000ull);
    return &table[iova >> PAGE_LG2 & 511];
}

/* Hardware that sets dirty in a leaf and accessed nowhere. The third harvest audits the third 2 MiB. */
static void hardware_that_sets_no_accessed_bits_is_found_out(void **state)
{
    const uint64_t audited = BASE + 4 * MIB, left_out = BASE + 2 * MIB;
    const unsigned early = 2 * PT_ENTRIES, late = PT_ENTRIES; /* their pages */

    (void)state;
    audit();
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    assert_int_equal(track_map(audited, PAGE_SIZE), 0);
    assert_int_equal(track_map(left_out, PAGE_SIZE), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(iommu_harvest(track_domain, BASE, track_bitmap.last, &track_bitmap, 0, NULL), 0);
    *entry_of_page(audited) |= 1u << 9;
    *entry_of_page(left_out) |= 1u << 9;
    track_harvest(0);
    assert_true(bitmap_test(track_words, early));
    assert_false(bitmap_test(track_words, late));
    assert_non_null(strstr(host_log(), "domain test: 1 dirty leaves were found where accessed bits said"));
    track_harvest(0); /* which prunes no more */
    assert_true(bitmap_test(track_words, late));
    assert_int_equal(track_count(track_words), 1);
}

/* --- by a tracker, in parts --- */

#define PARTS  2
#define TABLES (PARTS * GIB / (2 * MIB))

static struct iommu_track_source source;
static struct tracker *tracker;
static uint64_t words[PARTS * GIB / PAGE_SIZE / 64];

static int pass(unsigned flags, struct tracker_pass *result)
{
    struct dirty_bitmap report = {words, 0, PARTS * GIB - 1};

    memset(words, 0, sizeof words);
    return tracker_pass(tracker, &report, flags, result);
}

/* A page in each table, and nothing that a pass would look at. */
static void begin(void)
{
    struct tracker_config config = {.name = "vm", .last = PARTS * GIB - 1, .parts = PARTS};
    struct tracker_pass result;
    int error;

    audit();
    for (uint64_t at = 0; at < PARTS * GIB; at += 2 * MIB)
        assert_int_equal(iommu_map(track_domain, at, at + PAGE_SIZE - 1, track_dma, PT_READ | PT_WRITE), 0);
    tracker = tracker_create(&config, &error);
    assert_int_equal(error, 0);
    iommu_track_source_init(&source, track_domain, IOMMU_TRACKING_DIRTY_BITS);
    assert_int_equal(tracker_add_source(tracker, &source.source), 0);
    assert_int_equal(tracker_start(tracker, PT_LEAF_LEVEL_MAX, TRACKER_NONE_DIRTY), 0);
    assert_int_equal(pass(0, &result), 0);
    assert_int_equal(result.found.audited, TABLES / HARVEST_AUDIT_SHARES);
    assert_false(result.found.audit_dirty);
}

static void end(void)
{
    assert_int_equal(tracker_stop(tracker), 0);
    assert_int_equal(tracker_destroy(tracker), 0);
    tracker = NULL;
}

/* Also of one that failed in its middle. */
static int teardown(void **state)
{
    if (tracker)
        end();
    return track_teardown(state);
}

/* Hardware sets dirty there, and accessed nowhere. */
static unsigned passes_until_it_is_found(unsigned table)
{
    struct tracker_pass result;
    unsigned passes = 0;

    *entry_of_page(table * 2 * MIB) |= 1u << 9;
    do {
        assert_int_equal(pass(0, &result), 0);
        passes++;
    } while (passes < 2 * HARVEST_AUDIT_SHARES && !result.reported);
    assert_int_equal(result.reported, 1);
    assert_true(bitmap_test(words, table * PT_ENTRIES));
    return passes;
}

static void a_tracker_audits_each_table_once_in_64_passes(void **state)
{
    static const unsigned tables[] = {0, 1, TABLES / 2, TABLES / 2 + 1, TABLES - 1};
    struct tracker_pass result;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
        begin();
        assert_in_range(passes_until_it_is_found(tables[i]), 1, HARVEST_AUDIT_SHARES);
        assert_non_null(strstr(host_log(), "its harvests prune no more"));
        end();
        host_log_clear();
    }
    begin();
    for (unsigned i = 0; i < HARVEST_AUDIT_SHARES; i++) {
        assert_int_equal(pass(0, &result), 0);
        assert_int_equal(result.found.audited, TABLES / HARVEST_AUDIT_SHARES);
    }
    end();
}

static unsigned share_of_pass(int expected)
{
    struct tracker_pass result;

    assert_int_equal(pass(0, &result), expected);
    return HARVEST_AUDIT_SHARE_OF(track_hardware.flags);
}

static void passes_that_fail_or_look_at_all_use_up_no_share(void **state)
{
    struct tracker_pass result;
    unsigned first;

    (void)state;
    begin();
    first = share_of_pass(0);
    assert_int_equal(pass(TRACKER_WHOLE, &result), 0);
    assert_int_equal(track_hardware.flags & (HARVEST_PRUNE | HARVEST_AUDIT), 0);
    track_write(0); /* so that there is something to invalidate */
    track_hardware.result = ERR_TIMEOUT;
    assert_int_equal(share_of_pass(ERR_TIMEOUT), first + 1);
    track_hardware.result = 0;
    assert_int_equal(pass(0, &result), 0);
    assert_true(result.whole);
    assert_int_equal(share_of_pass(0), first + 1);
    assert_int_equal(share_of_pass(0), first + 2);
    end();
}

int main(void)
{
#define TRACKED(test) cmocka_unit_test_setup_teardown(test, track_setup, teardown)
    static const struct CMUnitTest tests[] = {
        TRACKED(a_harvest_prunes_only_where_the_domain_may),
        TRACKED(who_prunes_says_which_share_is_audited),
        TRACKED(what_an_audit_finds_ends_pruning),
        TRACKED(hardware_that_sets_no_accessed_bits_is_found_out),
        TRACKED(a_tracker_audits_each_table_once_in_64_passes),
        TRACKED(passes_that_fail_or_look_at_all_use_up_no_share),
    };

    track_init();
    return cmocka_run_group_tests_name("track_audit", tests, NULL, NULL);
}
