/* SPDX-License-Identifier: BSD-2-Clause */
/* What a unit sees of tables that software did not make visible: lines that were not flushed, a write buffer,
 * and what caching mode keeps. A wrong driver for each, and next to them the right ones. */
#include "lib/compiler.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/bare_probe.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

static struct probe probe;
static struct unit *unit;

#define WRONG(name, violation_, text)                                                                        \
    SCENARIO(name, .what = text, .kind = SCENARIO_WRONG, .expected = violation_)
#define RIGHT(name, text) SCENARIO(name, .what = text, .kind = SCENARIO_RANDOM)

/* --- what a unit that does not snoop sees --- */

enum unflushed { NOTHING, CONTEXT_ENTRY, PASID_ENTRY, LINKING_ENTRY, TABLE, LEAF };

static void store(uint64_t *slot, uint64_t entry, bool flush)
{
    *slot = entry;
    if (flush)
        platform_cache_flush(slot, sizeof *slot);
}

/* A page is mapped, and everything is flushed apart from one thing. Nothing is left to the device but to find
 * it, or not. */
static void map_incoherent(enum unflushed what)
{
    uint64_t page, *root, *slot, *table, *entry, words[3];

    unit = probe_start(&probe, &unit_incoherent, true);
    page = bare_dma_memory(0);
    root = bare_table(unit);
    slot = bare_slot(unit, root, PROBE_LEVELS, PROBE_IOVA, 1, true);
    bare_pasid_words(unit, BARE_SECOND_STAGE, PROBE_DID, root, PROBE_LEVELS, false, words);
    entry = bare_context(unit, PROBE_SOURCE);
    store(entry, virt_to_phys(bare_table(unit)) | SPEC_CONTEXT_PRESENT, what != CONTEXT_ENTRY);
    entry = bare_pasid(unit, PROBE_SOURCE, 0);
    table = pages_alloc(0, PAGE_HYPERVISOR);
    expect(table);
    if (what != TABLE)
        platform_cache_flush(table, PAGE_SIZE);
    schedule_set_calm(false);
    for (unsigned n = ARRAY_SIZE(words); n-- > 0;)
        store(&entry[n], words[n], what != PASID_ENTRY);
    store(slot, virt_to_phys(table) | SPEC_SS_READ | SPEC_SS_WRITE, what != LINKING_ENTRY);
    store(&table[PROBE_IOVA >> PAGE_LG2], bare_leaf(page, 0, true), what != LEAF);
    if (what == TABLE) /* what stood there before is seen at addresses where nothing was stored */
        probe_expect_refused(&probe, PROBE_IOVA + (64 << PAGE_LG2), false, SPEC_SSS_2);
    probe_expect(&probe, PROBE_IOVA, true, page);
}

RIGHT(flush_everything, "a device is attached and a page mapped on a unit that does not snoop")
{
    map_incoherent(NOTHING);
}

WRONG(flush_no_context_entry, VIOLATION_EXPECTATION, "the context entry is not flushed")
{
    map_incoherent(CONTEXT_ENTRY);
}

WRONG(flush_no_pasid_entry, VIOLATION_EXPECTATION, "the PASID entry is not flushed")
{
    map_incoherent(PASID_ENTRY);
}

WRONG(flush_no_linking_entry, VIOLATION_EXPECTATION, "the entry that links a new table is not flushed")
{
    map_incoherent(LINKING_ENTRY);
}

WRONG(flush_no_leaf, VIOLATION_EXPECTATION, "the leaf is not flushed")
{
    map_incoherent(LEAF);
}

WRONG(flush_no_table, VIOLATION_RESERVED_BITS,
      "a new table is linked and not flushed, and what was there is walked")
{
    map_incoherent(TABLE);
}

/* The same where lines that were flushed stay in a write buffer. */
static void map_old(bool flush_buffer)
{
    struct probe_tree tree;
    uint64_t *slot;

    unit = probe_start(&probe, &unit_old, false);
    tree = probe_tree(unit, true);
    probe_attach(unit, &tree, BARE_SECOND_STAGE, false);
    slot = bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA + PAGE_SIZE, 0, true);
    schedule_set_calm(false);
    probe_expect(&probe, PROBE_IOVA, true, tree.page);
    store(slot, bare_leaf(tree.page, 0, true), true);
    if (flush_buffer)
        bare_command(unit, SPEC_GCMD_WBF, true);
    probe_expect(&probe, PROBE_IOVA + PAGE_SIZE, true, tree.page);
}

WRONG(write_buffer_not_flushed, VIOLATION_EXPECTATION, "a page is mapped, and the write buffer not flushed")
{
    map_old(false);
}

RIGHT(write_buffer_flushed, "a page is mapped, and the write buffer flushed")
{
    map_old(true);
}

/* --- caching mode --- */

static void map_caching_mode(bool invalidate, bool second)
{
    struct probe_tree tree;
    uint64_t *slot;

    unit = probe_start(&probe, &unit_caching_mode, true);
    tree = probe_tree(unit, second);
    probe_attach(unit, &tree, second ? BARE_SECOND_STAGE : BARE_FIRST_STAGE, false);
    slot = bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA + PAGE_SIZE, 0, second);
    schedule_set_calm(false);
    probe_expect_refused(&probe, PROBE_IOVA + PAGE_SIZE, false, second ? SPEC_SSS_2 : SPEC_SFS_2);
    bare_set(unit, slot, bare_leaf(tree.page, 0, second));
    if (invalidate)
        bare_invalidate_all(unit);
    probe_expect(&probe, PROBE_IOVA + PAGE_SIZE, true, tree.page);
}

WRONG(caching_mode_map_only, VIOLATION_EXPECTATION,
      "a page is mapped in caching mode, and nothing invalidated")
{
    map_caching_mode(false, true);
}

RIGHT(caching_mode_map_and_invalidate, "a page is mapped in caching mode, and invalidated")
{
    map_caching_mode(true, true);
}

RIGHT(caching_mode_map_first_stage,
      "a page of the first stage is mapped in caching mode, which needs nothing more")
{
    map_caching_mode(false, false);
}

/* The page's table is linked, too. */
static void link_caching_mode(bool leaves_only)
{
    uint64_t iova = PROBE_IOVA + (1ull << 30);
    struct probe_tree tree;

    unit = probe_start(&probe, &unit_caching_mode, true);
    tree = probe_tree(unit, true);
    probe_attach(unit, &tree, BARE_SECOND_STAGE, false);
    schedule_set_calm(false);
    probe_expect_refused(&probe, iova, false, SPEC_SSS_2);
    bare_set(unit, bare_slot(unit, tree.root, PROBE_LEVELS, iova, 0, true), bare_leaf(tree.page, 0, true));
    bare_submit(unit,
                SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_PAGE) |
                    SPEC_DESCRIPTOR_WITH_DID(PROBE_DID),
                iova | (leaves_only ? SPEC_DESCRIPTOR_IH : 0));
    expect(bare_wait(unit));
    probe_expect(&probe, iova, true, tree.page);
}

WRONG(caching_mode_link_leaves_only, VIOLATION_EXPECTATION,
      "a table is linked in caching mode, and only leaves are invalidated")
{
    link_caching_mode(true);
}

RIGHT(caching_mode_link_and_invalidate,
      "a table is linked in caching mode, and table entries are invalidated")
{
    link_caching_mode(false);
}

static void attach_caching_mode(bool invalidate)
{
    struct probe_tree tree;

    unit = probe_start(&probe, &unit_caching_mode, true);
    tree = probe_tree(unit, false);
    schedule_set_calm(false);
    probe_expect_refused(&probe, PROBE_IOVA, false, SPEC_SRT_2);
    probe_attach(unit, &tree, BARE_FIRST_STAGE, false);
    if (invalidate)
        bare_invalidate_all(unit);
    probe_expect(&probe, PROBE_IOVA, true, tree.page);
}

WRONG(caching_mode_attach_only, VIOLATION_EXPECTATION,
      "a device is attached in caching mode, and nothing invalidated")
{
    attach_caching_mode(false);
}

RIGHT(caching_mode_attach_and_invalidate, "a device is attached in caching mode, and invalidated")
{
    attach_caching_mode(true);
}
