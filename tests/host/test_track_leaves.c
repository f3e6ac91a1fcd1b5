/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves of other sizes while a domain is tracked, and who decides about pruning, on hardware that only takes
 * notes. */
#include "iommu/domain.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/track_fixture.h"
#include "tests/host/unit.h"
#include <string.h>

/* --- leaves of other sizes --- */

static void a_leaf_is_split_and_each_part_is_dirty(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE, 2 * MIB), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    track_write(BASE + PAGE_SIZE);
    assert_int_equal(iommu_split(track_domain, BASE, BASE + 2 * MIB - 1, 0), 0);
    assert_int_equal(track_hardware.invalidations, 1);
    assert_int_equal(track_level_at(BASE), 0);
    track_harvest(0);
    assert_int_equal(track_count(track_words), 512);
    track_write(BASE + PAGE_SIZE);
    track_harvest(0);
    assert_int_equal(track_count(track_words), 1);
}

static void a_leaf_of_a_gigabyte_is_split_down_to_each_level_and_merged(void **state)
{
    (void)state;
    host_set_for_devices(OTHERS, OTHERS + GIB - 1);
    assert_int_equal(iommu_map(track_domain, BASE, BASE + GIB - 1, OTHERS, PT_READ | PT_WRITE), 0);
    assert_int_equal(iommu_split(track_domain, BASE, BASE + GIB - 1, 2), 0);
    assert_int_equal(track_level_at(BASE), 2);
    assert_int_equal(iommu_split(track_domain, BASE, BASE + GIB - 1, 1), 0);
    assert_int_equal(track_level_at(BASE + 5 * MIB), 1);
    assert_int_equal(iommu_split(track_domain, BASE + 4 * MIB, BASE + 6 * MIB - 1, 0), 0);
    assert_int_equal(track_level_at(BASE + 5 * MIB), 0);
    assert_int_equal(track_level_at(BASE + 7 * MIB), 1);
    assert_int_equal(iommu_merge(track_domain, BASE, BASE + GIB - 1), 0);
    assert_int_equal(track_level_at(BASE + 5 * MIB), 2);
    host_set_for_devices(1, 0);
}

static uint64_t *old_entry;

static void write_through_old_table(struct iommu_domain *of)
{
    (void)of;
    *old_entry |= 3u << 8;
}

static void a_late_write_beside_a_merge_is_in_the_next_harvest(void **state)
{
    uint64_t *table;

    (void)state;
    assert_int_equal(track_map(BASE, 2 * MIB), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    assert_int_equal(iommu_split(track_domain, BASE, BASE + 2 * MIB - 1, 0), 0);
    table = phys_to_virt(track_domain->pt.root[0] & 0xffffffffff000ull);
    table = phys_to_virt(table[BASE / GIB] & 0xffffffffff000ull);
    table = phys_to_virt(table[0] & 0xffffffffff000ull);
    old_entry = &table[9];
    track_hardware.on_invalidate = write_through_old_table;
    assert_int_equal(iommu_merge(track_domain, BASE, BASE + 2 * MIB - 1), 0);
    track_hardware.on_invalidate = NULL;
    assert_int_equal(track_level_at(BASE), 1);
    track_harvest(0);
    assert_int_equal(track_count(track_words), 512);
    assert_int_equal(track_count(track_gone_words), 0);
}

/* Devices may go on by the old table, and nobody would learn of that: so the leaf is dirty. */
static void what_was_merged_and_not_confirmed_is_reported(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE, 2 * MIB), 0);
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    assert_int_equal(iommu_split(track_domain, BASE, BASE + 2 * MIB - 1, 0), 0);
    track_hardware.result = ERR_HARDWARE;
    assert_int_equal(iommu_merge(track_domain, BASE, BASE + 2 * MIB - 1), ERR_HARDWARE);
    track_harvest(ERR_HARDWARE);
    assert_int_equal(track_count(track_words), 512);
    track_hardware.result = 0;
    assert_int_equal(iommu_domain_release_quarantine(track_domain), 0);
}

static void leaves_of_other_sizes_are_refused_where_they_cannot_be(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE, 2 * MIB), 0);
    assert_int_equal(iommu_split(track_domain, BASE, BASE + 2 * MIB - 1, 3), ERR_INVALID);
    assert_int_equal(iommu_split(track_domain, BASE, BASE + 1, 0), ERR_INVALID);
    assert_int_equal(iommu_split(track_domain, 1ull << 48, (1ull << 48) + PAGE_SIZE - 1, 0), ERR_RANGE);
    assert_int_equal(iommu_merge(track_domain, BASE, BASE + 1), ERR_INVALID);
    assert_int_equal(iommu_merge(track_domain, 1ull << 48, (1ull << 48) + PAGE_SIZE - 1), ERR_RANGE);
    track_hardware.result = ERR_HARDWARE;
    assert_int_equal(iommu_split(track_domain, BASE, BASE + 2 * MIB - 1, 0), ERR_HARDWARE);
    track_hardware.result = 0;
    assert_int_equal(iommu_domain_release_quarantine(track_domain), 0);
}

static void a_split_without_memory_says_so(void **state)
{
    (void)state;
    assert_int_equal(track_map(BASE, 4 * MIB), 0);
    host_leave_pages(1);
    assert_int_equal(iommu_split(track_domain, BASE, BASE + 4 * MIB - 1, 0), ERR_NOMEM);
    host_release_pages();
    assert_int_equal(track_level_at(BASE), 0); /* some are split, and confirmed */
    assert_int_equal(track_level_at(BASE + 2 * MIB), 1);
    assert_int_equal(track_hardware.invalidations, 1);
    assert_int_equal(iommu_split(track_domain, BASE, BASE + 4 * MIB - 1, 0), 0);
    assert_int_equal(track_level_at(BASE + 2 * MIB), 0);
}

/* --- pruning --- */

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

static void audits_go_round(void **state)
{
    uint64_t seen = 0;

    (void)state;
    track_hardware.pruning = (struct iommu_pruning){.allowed = true, .audited = true};
    track_make_again();
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    for (unsigned i = 0; i < 256; i++) {
        track_harvest(0);
        assert_int_equal(track_hardware.flags & 0xff, HARVEST_PRUNE | HARVEST_AUDIT);
        seen |= i % 2 ? 1ull << (track_hardware.flags >> 8 & 63) : 0; /* of every second one, too */
    }
    assert_int_equal(seen, ~0ull);
}

static void what_an_audit_finds_ends_pruning(void **state)
{
    struct iommu_domain_info info;

    (void)state;
    track_hardware.pruning = (struct iommu_pruning){.allowed = true, .audited = true};
    track_make_again();
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

/* Hardware that sets dirty in a leaf and accessed nowhere. The first audit looks at the first 2 MiB. */
static void hardware_that_sets_no_accessed_bits_is_found_out(void **state)
{
    const uint64_t audited = BASE + PAGE_SIZE, left_out = BASE + 2 * MIB + PAGE_SIZE;
    const unsigned late = (unsigned)((left_out - BASE) >> PAGE_LG2);

    (void)state;
    track_hardware.pruning = (struct iommu_pruning){.allowed = true, .audited = true};
    track_make_again();
    assert_int_equal(iommu_domain_track(track_domain, &track_bits), 0);
    assert_int_equal(track_map(audited, PAGE_SIZE), 0);
    assert_int_equal(track_map(left_out, PAGE_SIZE), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(iommu_harvest(track_domain, BASE, track_bitmap.last, &track_bitmap, 0, NULL), 0);
    *entry_of_page(audited) |= 1u << 9;
    *entry_of_page(left_out) |= 1u << 9;
    track_harvest(0);
    assert_true(bitmap_test(track_words, 1));
    assert_false(bitmap_test(track_words, late));
    assert_non_null(strstr(host_log(), "domain test: 1 dirty leaves were found where accessed bits said"));
    track_harvest(0); /* which prunes no more */
    assert_true(bitmap_test(track_words, late));
    assert_int_equal(track_count(track_words), 1);
}

int main(void)
{
#define TRACKED(test) cmocka_unit_test_setup_teardown(test, track_setup, track_teardown)
    static const struct CMUnitTest tests[] = {
        TRACKED(a_leaf_is_split_and_each_part_is_dirty),
        TRACKED(a_leaf_of_a_gigabyte_is_split_down_to_each_level_and_merged),
        TRACKED(a_late_write_beside_a_merge_is_in_the_next_harvest),
        TRACKED(what_was_merged_and_not_confirmed_is_reported),
        TRACKED(leaves_of_other_sizes_are_refused_where_they_cannot_be),
        TRACKED(a_split_without_memory_says_so),
        TRACKED(a_harvest_prunes_only_where_the_domain_may),
        TRACKED(audits_go_round),
        TRACKED(what_an_audit_finds_ends_pruning),
        TRACKED(hardware_that_sets_no_accessed_bits_is_found_out),
    };

    track_init();
    return cmocka_run_group_tests_name("track_leaves", tests, NULL, NULL);
}
