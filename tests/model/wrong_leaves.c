/* SPDX-License-Identifier: BSD-2-Clause */
/* Accessed and dirty bits that say less than a driver takes from them, and tables that are freed too early: a
 * wrong driver for each, and next to them the right ones. */
#include "lib/compiler.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/bare_probe.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

static struct probe probe;
static struct unit *unit;

#define WRONG(name, violation_, text)                                                                        \
    SCENARIO(name, .what = text, .kind = SCENARIO_WRONG, .expected = violation_)
#define RIGHT(name, text) SCENARIO(name, .what = text, .kind = SCENARIO_RANDOM)

/* --- accessed and dirty --- */

WRONG(dirty_without_ssade, VIOLATION_EXPECTATION, "dirty bits are expected of a second stage without SSADE")
{
    struct probe_tree tree;

    unit = probe_start(&probe, &unit_modern, true);
    tree = probe_tree(unit, true);
    probe_attach(unit, &tree, BARE_SECOND_STAGE, false);
    schedule_set_calm(false);
    probe_expect(&probe, PROBE_IOVA, true, tree.page);
    expect(*bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA, 0, true) & SPEC_SS_DIRTY);
}

/* Whether the accessed bit of a table entry says that something was walked below it. */
static void rely_on_accessed(bool second)
{
    uint64_t accessed = second ? SPEC_SS_ACCESSED : SPEC_FS_ACCESSED;
    uint64_t *slot, *above;
    struct probe_tree tree;

    unit = probe_start(&probe, &unit_modern, true);
    tree = probe_tree(unit, second);
    probe_attach(unit, &tree, second ? BARE_SECOND_STAGE : BARE_FIRST_STAGE, second);
    slot = bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA + PAGE_SIZE, 0, second);
    above = bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA, 1, second);
    schedule_set_calm(false);
    probe_expect_refused(&probe, PROBE_IOVA + PAGE_SIZE, true, second ? SPEC_SSS_2 : SPEC_SFS_2);
    bare_set(unit, slot, bare_leaf(tree.page, 0, second));
    probe_expect(&probe, PROBE_IOVA + PAGE_SIZE, true, tree.page);
    expect(*slot & accessed);
    expect(*above & accessed);
}

WRONG(accessed_of_second_stage_tables, VIOLATION_EXPECTATION,
      "a second-stage table entry may be cached and used without its accessed bit")
{
    rely_on_accessed(true);
}

RIGHT(accessed_of_first_stage_tables, "a first-stage table entry is cached only with its accessed bit set")
{
    rely_on_accessed(false);
}

/* --- tables that are freed --- */

static void free_leaf_table(bool unlink, bool use_before, bool invalidate)
{
    struct probe_tree tree;
    uint64_t *entry;
    void *table;

    unit = probe_start(&probe, &unit_modern, true);
    tree = probe_tree(unit, false);
    probe_attach(unit, &tree, BARE_FIRST_STAGE, false);
    entry = bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA, 1, false);
    table = phys_to_virt(*entry & SPEC_TABLE_ADDRESS);
    schedule_set_calm(false);
    if (use_before)
        probe_expect(&probe, PROBE_IOVA, true, tree.page);
    if (unlink)
        bare_set(unit, entry, 0);
    if (invalidate)
        bare_invalidate_all(unit);
    pages_free(table);
    device_access(&probe.device, PROBE_IOVA, false);
}

/* A device finds nothing below a table in which nothing was ever mapped; and then it goes. */
static void free_empty_table(bool invalidate)
{
    uint64_t iova = PROBE_IOVA + (1ull << 30);
    struct probe_tree tree;
    uint64_t *entry;
    void *table;

    unit = probe_start(&probe, &unit_modern, true);
    tree = probe_tree(unit, false);
    probe_attach(unit, &tree, BARE_FIRST_STAGE, false);
    bare_slot(unit, tree.root, PROBE_LEVELS, iova, 0, false);
    entry = bare_slot(unit, tree.root, PROBE_LEVELS, iova, 1, false);
    table = phys_to_virt(*entry & SPEC_TABLE_ADDRESS);
    schedule_set_calm(false);
    probe_expect_refused(&probe, iova, true, SPEC_SFS_2);
    bare_set(unit, entry, 0);
    if (invalidate)
        bare_invalidate_all(unit);
    pages_free(table);
}

WRONG(empty_table_freed_while_cached, VIOLATION_FREED_CACHED,
      "a table in which nothing was ever mapped is freed without an invalidation")
{
    free_empty_table(false);
}

RIGHT(empty_table_freed_after_invalidation, "the same with an invalidation")
{
    free_empty_table(true);
}

WRONG(table_freed_while_linked, VIOLATION_FREED_WALK, "a table is freed that is in its tree still")
{
    free_leaf_table(false, false, false);
}

WRONG(table_freed_while_cached, VIOLATION_FREED_CACHED, "a table is freed without an invalidation")
{
    free_leaf_table(true, true, false);
}

RIGHT(table_freed_after_invalidation, "a table is unlinked, invalidated and freed")
{
    free_leaf_table(true, true, true);
}
