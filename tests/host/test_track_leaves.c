/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves of other sizes while a domain is tracked, on hardware that only takes notes. */
#include "iommu/domain.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/track_fixture.h"
#include "tests/host/unit.h"
#include <string.h>

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
    };

    track_init();
    return cmocka_run_group_tests_name("track_leaves", tests, NULL, NULL);
}
