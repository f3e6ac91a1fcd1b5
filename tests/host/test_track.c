/* SPDX-License-Identifier: BSD-2-Clause */
/* Tracking of a domain on hardware that only takes notes: start, change and stop, and what is reported of
 * pages that leave the tree. */
#include "iommu/domain.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/track_fixture.h"
#include "tests/host/unit.h"
#include <string.h>

/* --- start, change, stop --- */

static void look_while_it_starts(struct iommu_domain *of, bool on)
{
    assert_ptr_equal(of->tracking.unmapped, &track_gone);
    if (on)
        assert_int_equal(iommu_domain_track(of, &track_bits), ERR_BUSY);
}

static void hardware_starts_after_software_and_stops_before_it(void **state)
{
    (void)state;
    assert_int_equal(iommu_domain_track(track_domain, &track_off), 0);
    assert_int_equal(track_hardware.stops, 0);
    track_hardware.on_track = look_while_it_starts;
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    assert_int_equal(track_how(), IOMMU_TRACKING_DIRTY_BITS);
    assert_int_equal(track_hardware.starts, 1);
    assert_int_equal(iommu_domain_track(track_domain, &track_off), 0);
    assert_int_equal(track_hardware.stops, 1);
    assert_int_equal(track_how(), IOMMU_TRACKING_OFF);
    assert_null(track_domain->tracking.unmapped);
}

static void a_start_that_fails_is_undone(void **state)
{
    static const int errors[] = {ERR_TIMEOUT, ERR_HARDWARE};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
        track_hardware.track_result = errors[i];
        assert_int_equal(
            iommu_domain_track(track_domain, &(struct iommu_track){.how = IOMMU_TRACKING_DIRTY_BITS,
                                                                   .unmapped = &track_gone}),
            errors[i]);
        assert_int_equal(track_how(), IOMMU_TRACKING_OFF);
        assert_null(track_domain->tracking.unmapped);
        assert_int_equal(track_domain->pt.map_leaf_levels, 7);
        assert_non_null(strstr(host_log(), "domain test: tracking does not start: "));
    }
    track_hardware.track_result = 0;
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
}

static void a_stop_that_is_not_confirmed_is_carried_out(void **state)
{
    (void)state;
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    track_hardware.track_result = ERR_TIMEOUT;
    assert_int_equal(iommu_domain_track(track_domain, &track_off), ERR_TIMEOUT);
    assert_int_equal(track_how(), IOMMU_TRACKING_OFF);
    assert_null(track_domain->tracking.unmapped);
}

static void what_cannot_be_is_refused_and_changes_nothing(void **state)
{
    struct dirty_bitmap half = {track_words, BASE + 1, BASE + PAGE_SIZE - 1},
                        long_one = {track_words, BASE, BASE}, empty = {track_words, BASE, BASE - 1},
                        nowhere = {NULL, BASE, BASE + PAGE_SIZE - 1};
    const struct {
        struct iommu_track track;
        const char *why;
    } cases[] = {
        {{3, 0, false, NULL}, "there is no such way to track"},
        {{IOMMU_TRACKING_DIRTY_BITS, 3, false, NULL}, "no leaves of that level"},
        {{IOMMU_TRACKING_DIRTY_BITS, 0, false, &half}, "not one of whole pages"},
        {{IOMMU_TRACKING_DIRTY_BITS, 0, false, &long_one}, "not one of whole pages"},
        {{IOMMU_TRACKING_ALL_WRITABLE, 0, false, &empty}, "not one of whole pages"},
        {{IOMMU_TRACKING_DIRTY_BITS, 0, false, &nowhere}, "not one of whole pages"},
        {{IOMMU_TRACKING_ALL_WRITABLE, 0, false, NULL}, "tracked another way, which has to stop first"},
    };

    (void)state;
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        host_log_clear();
        assert_int_equal(iommu_domain_track(track_domain, &cases[i].track), ERR_INVALID);
        assert_non_null(strstr(host_log(), "domain test: tracking stays as it is: "));
        assert_non_null(strstr(host_log(), cases[i].why));
        assert_ptr_equal(track_domain->tracking.unmapped, &track_gone);
        assert_int_equal(track_domain->pt.map_leaf_levels, 7);
        assert_int_equal(track_how(), IOMMU_TRACKING_DIRTY_BITS);
    }
    assert_int_equal(track_hardware.starts, 1);
}

static void a_domain_that_cannot_says_why_and_may_count_all_that_is_writable(void **state)
{
    (void)state;
    track_hardware.cannot = true;
    track_make_again();
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), ERR_UNSUPPORTED);
    assert_non_null(strstr(host_log(), "dirty pages cannot be tracked: a unit has been made so"));
    assert_int_equal(iommu_domain_track(track_domain, &track_all_writable), 0);
    assert_int_equal(track_hardware.starts, 0);
    assert_int_equal(iommu_domain_destroy(track_domain), 0);
    track_make(&track_locked_ops);
    assert_int_equal(iommu_domain_track(track_domain, &track_all_writable), ERR_UNSUPPORTED);
    assert_non_null(strstr(host_log(), "it frees tables without a grace period"));
}

static void maps_make_no_leaves_above_the_level(void **state)
{
    static const struct {
        unsigned level, expected;
    } cases[] = {{0, 0}, {1, 1}, {2, 2}};

    (void)state;
    host_set_for_devices(OTHERS, OTHERS + GIB - 1);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct iommu_track track = track_bits;

        track.level = cases[i].level;
        assert_int_equal(iommu_domain_track(track_domain, &track), 0);
        assert_int_equal(iommu_map(track_domain, BASE, BASE + GIB - 1, OTHERS, PT_READ), 0);
        assert_int_equal(track_level_at(BASE), cases[i].expected);
        assert_int_equal(iommu_unmap(track_domain, BASE, BASE + GIB - 1, NULL), 0);
    }
    assert_int_equal(track_hardware.starts, 1);
    assert_int_equal(
        iommu_domain_track(track_domain, &(struct iommu_track){.how = IOMMU_TRACKING_DIRTY_BITS}), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_off), 0);
    assert_int_equal(iommu_map(track_domain, BASE, BASE + GIB - 1, OTHERS, PT_READ), 0);
    assert_int_equal(track_level_at(BASE), 2);
    host_set_for_devices(1, 0);
}

/* --- what leaves the tree --- */

static void an_unmap_reports_to_both(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE, 2 * MIB - PAGE_SIZE), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    track_write(BASE + 5 * PAGE_SIZE);
    track_write(BASE + 64 * PAGE_SIZE);
    track_write(BASE + 65 * PAGE_SIZE);
    assert_int_equal(iommu_unmap(track_domain, BASE, BASE + 64 * PAGE_SIZE - 1, &track_bitmap), 0);
    assert_int_equal(track_words[0], 1u << 5);
    assert_int_equal(track_gone_words[0], 1u << 5);
    /* Without a bitmap of its own, and with the table. */
    assert_int_equal(iommu_unmap(track_domain, BASE, BASE + 2 * MIB - 1, NULL), 0);
    assert_int_equal(track_gone_words[0], 1u << 5);
    assert_int_equal(track_gone_words[1], 3);
    assert_int_equal(track_count(track_gone_words), 3);
    assert_int_equal(track_count(track_words), 1);
}

/* More than the notes on the stack; and of a range that reaches beyond both bitmaps. */
static void a_large_unmap_reports_what_each_bitmap_reaches(void **state)
{
    static uint64_t few[1];
    struct dirty_bitmap own = {few, BASE + 2 * MIB, BASE + 2 * MIB + 64 * PAGE_SIZE - 1};

    (void)state;
    assert_int_equal(track_map(BASE, 4 * MIB - PAGE_SIZE), 0);
    assert_int_equal(track_map(BASE + 16 * MIB, 2 * MIB - PAGE_SIZE), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    track_write(BASE + PAGE_SIZE);
    track_write(BASE + 2 * MIB + 3 * PAGE_SIZE);
    track_write(BASE + 16 * MIB);
    assert_int_equal(iommu_unmap(track_domain, 0, BASE + GIB - 1, &own), 0);
    assert_int_equal(few[0], 1u << 3);
    assert_int_equal(track_count(track_gone_words),
                     512 + 1); /* the second was a leaf of 4 KiB, the first one of 2 MiB */
    assert_int_equal(track_gone_words[8], 1u << 3);
}

static void see_no_report(struct iommu_domain *of)
{
    (void)of;
    assert_int_equal(track_count(track_gone_words), 0);
}

static void nothing_is_reported_before_the_invalidation(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE, 8 * PAGE_SIZE), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    track_write(BASE);
    track_hardware.on_invalidate = see_no_report;
    assert_int_equal(iommu_unmap(track_domain, BASE, BASE + 8 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(track_gone_words[0], 1);
}

static void start_meanwhile(struct iommu_domain *of)
{
    track_hardware.on_invalidate = NULL;
    assert_int_equal(iommu_domain_track(of, &track_bits), 0);
}

/* It took no notes: whatever it unmapped may have been written after the start. */
static void an_unmap_that_began_before_the_start_reports_all_of_its_range(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE, 8 * PAGE_SIZE), 0);
    track_hardware.on_invalidate = start_meanwhile;
    assert_int_equal(iommu_unmap(track_domain, BASE, BASE + 4 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(track_gone_words[0], 0xf);
    assert_int_equal(track_count(track_gone_words), 4);
}

/* From the second start on hardware sets no dirty bit when it writes. */
static void track_another_way_meanwhile(struct iommu_domain *of)
{
    track_hardware.on_unlink = NULL;
    assert_int_equal(iommu_domain_track(of, &track_off), 0);
    assert_int_equal(iommu_domain_track(of, &track_all_writable), 0);
}

/* Its notes are of dirty bits. */
static void so_does_one_that_began_before_a_start_of_another_kind(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE, 8 * PAGE_SIZE), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    track_hardware.on_unlink = track_another_way_meanwhile;
    assert_int_equal(iommu_unmap(track_domain, BASE, BASE + 4 * PAGE_SIZE - 1, NULL), 0);
    assert_int_equal(track_gone_words[0], 0xf);
    assert_int_equal(track_count(track_gone_words), 4);
}

static void a_map_that_is_taken_back_reports_what_was_written(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE + 4 * PAGE_SIZE, PAGE_SIZE), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    assert_int_equal(track_map(BASE, 8 * PAGE_SIZE), ERR_EXISTS);
    assert_int_equal(track_count(track_gone_words), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_off), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_all_writable), 0);
    assert_int_equal(track_map(BASE, 8 * PAGE_SIZE), ERR_EXISTS);
    assert_int_equal(track_gone_words[0], 0xf);
}

static void what_was_not_confirmed_is_reported_again_when_it_is(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE, 8 * PAGE_SIZE), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    track_hardware.result = ERR_TIMEOUT;
    assert_int_equal(iommu_unmap(track_domain, BASE, BASE + 4 * PAGE_SIZE - 1, NULL), ERR_TIMEOUT);
    assert_int_equal(track_gone_words[0], 0xf);
    memset(track_gone_words, 0, sizeof track_gone_words);
    assert_int_equal(iommu_domain_release_quarantine(track_domain), ERR_TIMEOUT);
    assert_int_equal(track_count(track_gone_words), 0);
    track_hardware.result = 0;
    assert_int_equal(iommu_domain_release_quarantine(track_domain), 0);
    assert_int_equal(track_count(track_gone_words), 32 * 64);
    memset(track_gone_words, 0, sizeof track_gone_words);
    assert_int_equal(iommu_domain_release_quarantine(track_domain), 0);
    assert_int_equal(track_count(track_gone_words), 0);
}

/* --- reports of more than one read section takes --- */

#define MANY (2 * GIB)

/* Neither end is where a section ends. */
static uint64_t many_words[MANY / PAGE_SIZE / 64];
static struct dirty_bitmap many = {many_words, BASE + PAGE_SIZE, BASE + MANY - 3 * PAGE_SIZE - 1};
static const struct iommu_track track_many = {
    .how = IOMMU_TRACKING_DIRTY_BITS, .level = PT_LEAF_LEVEL_MAX, .unmapped = &many};

static bool is_marked(uint64_t iova)
{
    return bitmap_test(many_words, (iova - many.iova) / PAGE_SIZE);
}

static uint64_t count_many(void)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(many_words); i++)
        count += bitmap_count_word(many_words[i]);
    return count;
}

static bool looked_in_between;

/* A grace period was over. */
static void look_and_wait_again(struct rcu_head *head)
{
    bool begun = is_marked(many.iova), ended = is_marked(many.last + 1 - PAGE_SIZE);

    looked_in_between |= begun && !ended;
    if (!ended)
        call_rcu(head, look_and_wait_again);
}

static void wait_for_grace_periods(struct iommu_domain *of)
{
    static struct rcu_head head;

    (void)of;
    track_hardware.on_invalidate = NULL;
    call_rcu(&head, look_and_wait_again);
}

static const uint64_t edges[] = {
    BASE,
    BASE + PAGE_SIZE,
    BASE + 256 * MIB - PAGE_SIZE,
    BASE + 256 * MIB,
    BASE + 5 * 256 * MIB - PAGE_SIZE,
    BASE + MANY - 4 * PAGE_SIZE,
    BASE + MANY - 3 * PAGE_SIZE,
};

static void write_at_edges(void)
{
    memset(many_words, 0, sizeof many_words);
    looked_in_between = false;
    for (unsigned i = 0; i < ARRAY_SIZE(edges); i++) {
        assert_int_equal(track_map(edges[i], PAGE_SIZE), 0);
        track_write(edges[i]);
    }
}

static void a_report_of_many_pages_lets_grace_periods_end(void **state)
{
    (void)state;
    write_at_edges();
    assert_int_equal(iommu_domain_track(track_domain, &track_many), 0);
    track_hardware.on_invalidate = wait_for_grace_periods;
    assert_int_equal(iommu_unmap(track_domain, 0, BASE + 4 * GIB - 1, NULL), 0);
    for (unsigned i = 1; i < ARRAY_SIZE(edges) - 1; i++)
        assert_true(is_marked(edges[i]));
    assert_int_equal(count_many(), ARRAY_SIZE(edges) - 2); /* the bitmap reaches neither end */
    assert_true(looked_in_between);
}

static void start_many_meanwhile(struct iommu_domain *of)
{
    wait_for_grace_periods(of);
    assert_int_equal(iommu_domain_track(of, &track_many), 0);
}

static void so_does_one_of_all_pages(void **state)
{
    (void)state;
    write_at_edges();
    track_hardware.on_invalidate = start_many_meanwhile;
    assert_int_equal(iommu_unmap(track_domain, 0, BASE + 4 * GIB - 1, NULL), 0);
    assert_int_equal(count_many(), (many.last + 1 - many.iova) / PAGE_SIZE);
    assert_true(looked_in_between);
}

/* --- all that is writable --- */

static void all_that_is_writable_counts_as_written(void **state)
{
    struct harvest_stats stats = {0};

    (void)state;
    assert_int_equal(track_map(BASE, 4 * PAGE_SIZE), 0);
    assert_int_equal(
        iommu_map(track_domain, BASE + 4 * PAGE_SIZE, BASE + 8 * PAGE_SIZE - 1, track_dma, PT_READ), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_all_writable), 0);
    for (unsigned i = 0; i < 2; i++) {
        memset(track_words, 0, sizeof track_words);
        assert_int_equal(
            iommu_harvest(track_domain, BASE + PAGE_SIZE, track_bitmap.last, &track_bitmap, 0, &stats), 0);
        assert_int_equal(track_words[0], 0xe);
    }
    assert_int_equal(stats.dirty, 6);
    assert_int_equal(track_hardware.invalidations, 0);
    memset(track_words, 0, sizeof track_words);
    assert_int_equal(iommu_unmap(track_domain, BASE + 3 * PAGE_SIZE, BASE + 5 * PAGE_SIZE - 1, &track_bitmap),
                     0);
    assert_int_equal(track_words[0], 8);
    assert_int_equal(track_gone_words[0], 8);
}

int main(void)
{
#define TRACKED(test) cmocka_unit_test_setup_teardown(test, track_setup, track_teardown)
    static const struct CMUnitTest tests[] = {
        TRACKED(hardware_starts_after_software_and_stops_before_it),
        TRACKED(a_start_that_fails_is_undone),
        TRACKED(a_stop_that_is_not_confirmed_is_carried_out),
        TRACKED(what_cannot_be_is_refused_and_changes_nothing),
        TRACKED(a_domain_that_cannot_says_why_and_may_count_all_that_is_writable),
        TRACKED(maps_make_no_leaves_above_the_level),
        TRACKED(an_unmap_reports_to_both),
        TRACKED(a_large_unmap_reports_what_each_bitmap_reaches),
        TRACKED(nothing_is_reported_before_the_invalidation),
        TRACKED(an_unmap_that_began_before_the_start_reports_all_of_its_range),
        TRACKED(so_does_one_that_began_before_a_start_of_another_kind),
        TRACKED(a_map_that_is_taken_back_reports_what_was_written),
        TRACKED(what_was_not_confirmed_is_reported_again_when_it_is),
        TRACKED(a_report_of_many_pages_lets_grace_periods_end),
        TRACKED(so_does_one_of_all_pages),
        TRACKED(all_that_is_writable_counts_as_written),
    };

    track_init();
    return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
