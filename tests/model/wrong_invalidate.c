/* SPDX-License-Identifier: BSD-2-Clause */
/* Invalidations that are missing, too small, or in the wrong order; each beside the right one. */
#include "lib/platform.h"
#include "tests/model/bare_rig.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

static struct rig rig;

static void submit_and_wait(void)
{
    bool done;

    rig_put_wait(&rig, 0, false);
    bare_kick(rig.unit);
    done = rig_wait(&rig, 0);
    expect(done);
}

/* --- none at all --- */

SCENARIO(unmap_untold, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a page is unmapped and the IOTLB is not told")
{
    rig_make(&rig, &unit_modern, BARE_FIRST_STAGE, false);
    rig_warm(&rig);
    rig_go(&rig);
    rig_clear(&rig, 0);
    submit_and_wait();
    bare_forbid(rig_iova(0));
    rig_end(&rig);
}

static void unmap_both(void)
{
    rig_go(&rig);
    for (unsigned page = 0; page < RIG_PAGES; page++) {
        rig_clear(&rig, page);
        rig_invalidate(&rig, page);
    }
    rig_end(&rig);
}

SCENARIO(unmap_of_first_stage, .kind = SCENARIO_RANDOM,
         .what = "pages of the first stage are unmapped rightly")
{
    rig_make(&rig, &unit_modern, BARE_FIRST_STAGE, false);
    rig.reads = true;
    unmap_both();
}

SCENARIO(unmap_of_second_stage, .kind = SCENARIO_RANDOM,
         .what = "pages of the second stage are unmapped rightly")
{
    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, false);
    rig.reads = true;
    unmap_both();
}

SCENARIO(unmap_in_caching_mode, .kind = SCENARIO_RANDOM,
         .what = "pages are unmapped rightly where not-present is cached, too")
{
    rig_make(&rig, &unit_caching_mode, BARE_SECOND_STAGE, false);
    unmap_both();
}

SCENARIO(unmap_in_legacy_mode, .kind = SCENARIO_RANDOM,
         .what = "pages are unmapped rightly on an old unit that drains only when asked to")
{
    rig_make_legacy(&rig, &unit_old, false);
    rig.reads = true;
    unmap_both();
}

/* --- drain --- */

static void unmap_without_drain_bits(void)
{
    rig_go(&rig);
    rig_clear(&rig, 0);
    bare_put(rig.unit,
             SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_DOMAIN) |
                 SPEC_DESCRIPTOR_WITH_DID(RIG_DID),
             0);
    submit_and_wait();
    bare_forbid(rig_iova(0));
    rig_end(&rig);
}

SCENARIO(no_drain_on_an_old_unit, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a unit of version 1 is not told to drain writes (DW)")
{
    rig_make_legacy(&rig, &unit_old, false);
    unmap_without_drain_bits();
}

SCENARIO(no_drain_on_a_new_unit, .kind = SCENARIO_RANDOM,
         .what = "a unit of version 2 or later drains without DW and DR")
{
    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, false);
    unmap_without_drain_bits();
}

SCENARIO(no_drain_of_reads, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a unit of version 1 is told to drain writes (DW), and the device reads")
{
    rig_make_legacy(&rig, &unit_old, false);
    rig.reads = true;
    rig_go(&rig);
    rig_clear(&rig, 0);
    bare_put(rig.unit,
             SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_DOMAIN) |
                 SPEC_DESCRIPTOR_WITH_DID(RIG_DID) | SPEC_IOTLB_DW,
             0);
    submit_and_wait();
    bare_forbid(rig_iova(0));
    rig_end(&rig);
}

/* --- too small --- */

static void unmap_with_mask(unsigned mask)
{
    rig_warm(&rig);
    rig_go(&rig);
    for (unsigned page = 0; page < RIG_PAGES; page++)
        rig_clear(&rig, page);
    rig_put_iotlb(&rig, 0, mask, true);
    submit_and_wait();
    for (unsigned page = 0; page < RIG_PAGES; page++)
        bare_forbid(rig_iova(page));
    rig_end(&rig);
}

SCENARIO(mask_too_small, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "two pages are unmapped and one is invalidated")
{
    rig_make(&rig, &unit_modern, BARE_FIRST_STAGE, false);
    unmap_with_mask(0);
}

SCENARIO(mask_that_fits, .kind = SCENARIO_RANDOM, .what = "two pages are unmapped and invalidated by a mask")
{
    rig_make(&rig, &unit_modern, BARE_FIRST_STAGE, false);
    unmap_with_mask(1);
}

/* In place of the table there is a leaf of 2 MiB. */
static void unmap_large_page(unsigned mask)
{
    uint64_t *slot;

    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, false);
    slot = rig_slot(&rig, 0, 1);
    bare_set(rig.unit, slot, bare_leaf(bare_dma_memory(9), 1, true));
    bare_invalidate_all(rig.unit);
    rig_warm(&rig);
    rig_go(&rig);
    bare_set(rig.unit, slot, 0);
    rig_put_iotlb(&rig, 0, mask, false);
    submit_and_wait();
    bare_forbid(rig_iova(0));
    rig_end(&rig);
}

SCENARIO(mask_of_a_small_page_for_a_large_one, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a 2 MiB page is invalidated by the mask of a 4 KiB page (6.5.2.3)")
{
    unmap_large_page(0);
}

SCENARIO(mask_of_a_large_page, .kind = SCENARIO_RANDOM, .what = "a 2 MiB page is invalidated by its own mask")
{
    unmap_large_page(9);
}

/* --- table entries --- */

/* Takes the table of the lowest level away, and gives it back once the unit has said that it is gone. */
static void remove_table(bool leaves_only)
{
    uint64_t *slot;
    void *table;

    slot = rig_slot(&rig, 0, 1);
    table = phys_to_virt(*slot & SPEC_TABLE_ADDRESS);
    rig_warm(&rig);
    rig_go(&rig);
    bare_set(rig.unit, slot, 0);
    rig_put_iotlb(&rig, 0, 9, leaves_only);
    submit_and_wait();
    for (unsigned page = 0; page < RIG_PAGES; page++)
        bare_forbid(rig_iova(page));
    pages_free(table);
    rig_end(&rig);
}

SCENARIO(hint_though_a_table_went, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_CACHED,
         .what = "a table is unlinked, and the invalidation lets table entries stay (IH=1)")
{
    rig_make(&rig, &unit_modern, BARE_FIRST_STAGE, false);
    remove_table(true);
}

SCENARIO(table_removed_from_first_stage, .kind = SCENARIO_RANDOM,
         .what = "a table is unlinked, invalidated with its entries, and freed")
{
    rig_make(&rig, &unit_modern, BARE_FIRST_STAGE, false);
    remove_table(false);
}

SCENARIO(table_removed_from_second_stage, .kind = SCENARIO_RANDOM,
         .what = "the same in the second stage, with write buffer and drain bits of an old unit")
{
    rig_make_legacy(&rig, &unit_old, false);
    remove_table(false);
}

/* Only page 0 was ever mapped, so that its page alone is invalidated; the device goes for page 1, too, by the
 * same table. */
static void remove_empty_table(void)
{
    uint64_t *slot = rig_slot(&rig, 0, 1);
    void *table = phys_to_virt(*slot & SPEC_TABLE_ADDRESS);

    rig_clear(&rig, 1);
    bare_invalidate_all(rig.unit);
    rig_go(&rig);
    bare_set(rig.unit, slot, 0);
    rig_put_iotlb(&rig, 0, 0, false);
    submit_and_wait();
    for (unsigned page = 0; page < RIG_PAGES; page++)
        bare_forbid(rig_iova(page));
    pages_free(table);
    rig_end(&rig);
}

SCENARIO(empty_table_of_first_stage, .kind = SCENARIO_RANDOM,
         .what = "one page of a table without any other is invalidated, and the table is freed (6.5.3.3)")
{
    rig_make(&rig, &unit_modern, BARE_FIRST_STAGE, false);
    remove_empty_table();
}

SCENARIO(empty_table_of_second_stage, .kind = SCENARIO_RANDOM, .what = "the same in the second stage")
{
    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, false);
    remove_empty_table();
}

/* --- what a wait covers --- */

static void wait_for(bool both)
{
    rig_make(&rig, &unit_modern, BARE_FIRST_STAGE, false);
    rig_warm(&rig);
    rig_go(&rig);
    for (unsigned page = 0; page < RIG_PAGES; page++) {
        rig_clear(&rig, page);
        rig_put_iotlb(&rig, page, 0, true);
        rig_put_wait(&rig, page, false);
    }
    bare_kick(rig.unit);
    for (unsigned page = both ? 0 : 1; page < RIG_PAGES; page++) {
        bool done = rig_wait(&rig, page);

        expect(done);
    }
    for (unsigned page = 0; page < RIG_PAGES; page++)
        bare_forbid(rig_iova(page));
    rig_end(&rig);
}

SCENARIO(last_wait_of_two, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "of two batches only the last one's wait is waited for")
{
    wait_for(false);
}

SCENARIO(both_waits_of_two, .kind = SCENARIO_RANDOM, .what = "the waits of both batches are waited for")
{
    wait_for(true);
}
