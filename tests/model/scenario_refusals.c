/* SPDX-License-Identifier: BSD-2-Clause */
/* Each reason for which a unit refuses a request because of what is not there, by the rules (7.1.3): found at
 * the right place, recorded once, and not at all where software says so. */
#include "lib/compiler.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/bare_probe.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

#define SOURCE 0x0181 /* in the upper half of its bus */
#define DID    7
#define IOVA   0x7000ull
#define PASID  5

static struct probe probe;

/* A unit that translates, and a device that it has nothing for. */
static struct unit *start(const struct unit_config *config, bool scalable)
{
    struct unit *unit = bare_start(config, scalable);

    probe_make(&probe, SOURCE);
    return unit;
}

/* The first fault register has the reason; 0: it has none. */
static void expect_recorded(const struct unit *unit, uint8_t reason)
{
    uint64_t high = unit->frcd[0][1];

    expect_equal(!!(high & SPEC_FRCD_F), !!reason);
    if (!reason)
        return;
    expect_equal(SPEC_FRCD_REASON(high), reason);
    expect_equal(SPEC_FRCD_SOURCE(high), SOURCE);
}

static void expect_fault(struct unit *unit, uint64_t iova, bool write, uint8_t reason)
{
    schedule_set_calm(false);
    probe_expect_refused(&probe, iova, write, reason);
    expect_recorded(unit, reason);
}

static void expect_pasid_fault(struct unit *unit, uint32_t pasid, uint8_t reason)
{
    schedule_set_calm(false);
    probe_expect_pasid_refused(&probe, pasid, IOVA, false, reason);
    expect_recorded(unit, reason);
}

/* The device's tree, in its context entry or its PASID 0, with nothing in it. */
static uint64_t *attach(struct unit *unit, enum bare_stage stage, bool dirty)
{
    uint64_t *root = bare_table(unit);

    bare_attach(unit, SOURCE, stage, DID, root, 4, dirty, false);
    return root;
}

/* --- legacy mode --- */

SCENARIO(refused_root_entry_legacy, .what = "legacy mode: the root entry is not present",
         .kind = SCENARIO_RANDOM)
{
    expect_fault(start(&unit_modern, false), IOVA, true, SPEC_LRT_2);
}

SCENARIO(refused_context_entry_legacy, .what = "legacy mode: the context entry is not present",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_caching_mode, false);

    bare_context(unit, SOURCE);
    for (unsigned i = 0; i < 2; i++)
        expect_fault(unit, IOVA, false, SPEC_LCT_2);
}

SCENARIO(refused_pasid_legacy, .what = "legacy mode: a request with PASID", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, false);

    attach(unit, BARE_SECOND_STAGE, false);
    expect_pasid_fault(unit, PASID, SPEC_RTA_2);
}

SCENARIO(refused_no_device_tlb_legacy,
         .what = "legacy mode: a device asks for a translation, and TT blocks it", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, false);

    attach(unit, BARE_SECOND_STAGE, false);
    probe.device.has_ats = probe.device.ats_on = true;
    expect_fault(unit, IOVA, false, SPEC_LCT_5);
}

SCENARIO(refused_into_interrupts_legacy, .what = "legacy mode: a page is mapped to where interrupts go",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, false);
    uint64_t *root = attach(unit, BARE_SECOND_STAGE, false);

    bare_set(unit, bare_slot(unit, root, 4, IOVA, 0, true), bare_leaf(SPEC_INTERRUPT_FIRST, 0, true));
    expect_fault(unit, IOVA, true, SPEC_LGN_4);
}

/* --- scalable mode, down to the PASID entry --- */

SCENARIO(refused_root_entry, .what = "the root entry has no upper half", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);

    bare_attach(unit, SOURCE & ~0x80, BARE_SECOND_STAGE, DID, bare_table(unit), 4, false, false);
    expect_fault(unit, IOVA, true, SPEC_SRT_2);
}

SCENARIO(refused_context_entry, .what = "the context entry is not present", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_caching_mode, true);

    bare_context(unit, SOURCE);
    for (unsigned i = 0; i < 2; i++)
        expect_fault(unit, IOVA, true, SPEC_SCT_2);
}

SCENARIO(refused_no_device_tlb, .what = "a device asks for a translation without DTE",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);

    attach(unit, BARE_FIRST_STAGE, false);
    probe.device.has_ats = probe.device.ats_on = true;
    expect_fault(unit, IOVA, true, SPEC_SCT_5);
}

SCENARIO(refused_pasids_off, .what = "a request with PASID without PASIDE", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);
    uint64_t *context;

    attach(unit, BARE_FIRST_STAGE, false);
    context = bare_context(unit, SOURCE);
    bare_set(unit, context, *context & ~SPEC_SM_CONTEXT_PASIDE);
    expect_pasid_fault(unit, 0, SPEC_SCT_6);
}

SCENARIO(refused_pasid_beyond, .what = "a PASID beyond the directory", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);

    attach(unit, BARE_FIRST_STAGE, false);
    expect_pasid_fault(unit, 1 << 13, SPEC_SCT_7);
}

SCENARIO(refused_rid_pasid, .what = "a request has the PASID that stands for those without",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);

    attach(unit, BARE_FIRST_STAGE, false);
    expect_pasid_fault(unit, 0, SPEC_SCT_9);
}

SCENARIO(refused_directory_entry, .what = "the PASID directory has no table for a PASID",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);

    attach(unit, BARE_FIRST_STAGE, false);
    expect_pasid_fault(unit, 64, SPEC_SPD_2);
}

SCENARIO(refused_pasid_entry, .what = "a PASID entry is not present", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_caching_mode, true);

    attach(unit, BARE_FIRST_STAGE, false);
    for (unsigned i = 0; i < 2; i++)
        expect_pasid_fault(unit, PASID, SPEC_SPT_2);
}

SCENARIO(refused_pass_through_interrupts,
         .what = "a request with PASID passes through to where interrupts go", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);

    bare_attach_pasid(unit, SOURCE, PASID, BARE_PASS_THROUGH, DID, NULL, 0, false);
    schedule_set_calm(false);
    probe_expect_pasid_refused(&probe, PASID, SPEC_INTERRUPT_FIRST, true, SPEC_SGN_8);
}

SCENARIO(no_answer_of_pasid_entry,
         .what = "a device asks for a translation by a PASID that is not there: nothing is recorded",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);

    bare_attach(unit, SOURCE, BARE_FIRST_STAGE, DID, bare_table(unit), 4, false, true);
    probe.device.has_ats = probe.device.ats_on = true;
    schedule_set_calm(false);
    probe_expect_pasid_refused(&probe, PASID, IOVA, true, SPEC_SPT_2);
    probe_expect_pasid_refused(&probe, 64, IOVA, true, SPEC_SPD_2);
    expect_recorded(unit, 0);
}

/* --- page tables --- */

SCENARIO(refused_supervisor_page, .what = "a first-stage page is the supervisor's", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);
    uint64_t *root = attach(unit, BARE_FIRST_STAGE, false);
    uint64_t leaf = bare_leaf(bare_dma_memory(0), 0, false);

    bare_set(unit, bare_slot(unit, root, 4, IOVA, 0, false), leaf & ~SPEC_FS_USER);
    expect_fault(unit, IOVA, false, SPEC_SGN_2);
}

SCENARIO(refused_into_interrupts, .what = "a first-stage page is mapped to where interrupts go",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);
    uint64_t *root = attach(unit, BARE_FIRST_STAGE, false);

    bare_set(unit, bare_slot(unit, root, 4, IOVA, 0, false), bare_leaf(SPEC_INTERRUPT_FIRST, 0, false));
    expect_fault(unit, IOVA, true, SPEC_SGN_8);
}

SCENARIO(refused_read_only_above,
         .what = "a second-stage table entry takes the right to write from a whole table",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);
    uint64_t *root = attach(unit, BARE_SECOND_STAGE, true);
    uint64_t page = bare_dma_memory(0);
    uint64_t *above = bare_slot(unit, root, 4, IOVA, 1, true);

    bare_set(unit, bare_slot(unit, root, 4, IOVA, 0, true), bare_leaf(page, 0, true));
    bare_set(unit, above, *above & ~SPEC_SS_WRITE);
    probe_expect(&probe, IOVA, false, page);
    expect_fault(unit, IOVA, true, SPEC_SGN_6);
}

SCENARIO(refused_nothing_granted,
         .what = "a second-stage table entry and its leaf have no permission in common",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);
    uint64_t *root = attach(unit, BARE_SECOND_STAGE, true);
    uint64_t *above = bare_slot(unit, root, 4, IOVA, 1, true);
    uint64_t leaf = bare_leaf(bare_dma_memory(0), 0, true);

    bare_set(unit, bare_slot(unit, root, 4, IOVA, 0, true), leaf & ~SPEC_SS_READ);
    bare_set(unit, above, *above & ~SPEC_SS_WRITE);
    expect_fault(unit, IOVA, true, SPEC_SSS_2);
}

SCENARIO(refused_accessed_incoherent,
         .what = "a first-stage entry needs its accessed bit, and the walk does not snoop",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_incoherent, true);
    uint64_t *root = attach(unit, BARE_FIRST_STAGE, false);
    uint64_t leaf = bare_leaf(bare_dma_memory(0), 0, false);

    bare_set(unit, bare_slot(unit, root, 4, IOVA, 0, false), leaf);
    expect_fault(unit, IOVA, false, SPEC_SFS_9);
}

SCENARIO(refused_dirty_incoherent, .what = "a first-stage entry needs its dirty bit, and PWSNP is not set",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);
    uint64_t *root = bare_table(unit), page = bare_dma_memory(0);
    uint64_t words[3];

    bare_pasid_words(unit, BARE_FIRST_STAGE, DID, root, 4, false, words);
    words[1] &= ~SPEC_PASID_PWSNP;
    bare_set_words(unit, bare_pasid(unit, SOURCE, 0), words, ARRAY_SIZE(words));
    for (unsigned level = 0; level < 4; level++) {
        uint64_t *slot = bare_slot(unit, root, 4, IOVA, level, false);

        bare_set(unit, slot, (level ? *slot : bare_leaf(page, 0, false)) | SPEC_FS_ACCESSED);
        platform_cache_flush(phys_to_virt(virt_to_phys(slot) & SPEC_PAGE_ADDRESS), PAGE_SIZE);
    }
    probe_expect(&probe, IOVA, false, page);
    expect_fault(unit, IOVA, true, SPEC_SFS_9);
}

SCENARIO(refused_second_dirty_incoherent, .what = "SSADE, and no walk snoops", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_incoherent, true);
    uint64_t *root = attach(unit, BARE_SECOND_STAGE, true);

    bare_set(unit, bare_slot(unit, root, 4, IOVA, 0, true), bare_leaf(bare_dma_memory(0), 0, true));
    expect_fault(unit, IOVA, true, SPEC_SSS_5);
}

/* --- what is not recorded --- */

static void expect_silent(struct unit *unit, uint32_t pasid, uint8_t reason)
{
    schedule_set_calm(false);
    for (unsigned i = 0; i < 2; i++)
        probe_expect_pasid_refused(&probe, pasid, IOVA, false, reason);
    expect_recorded(unit, 0);
}

SCENARIO(refused_silent_context,
         .what = "a context entry that is not present says that no fault is to be recorded",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_caching_mode, true);

    bare_set(unit, bare_context(unit, SOURCE), SPEC_CONTEXT_FPD);
    expect_silent(unit, 0, SPEC_SCT_2);
}

SCENARIO(refused_silent_directory, .what = "a PASID directory entry says so", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);
    uint64_t *directory;

    attach(unit, BARE_FIRST_STAGE, false);
    directory = phys_to_virt(*bare_context(unit, SOURCE) & SPEC_TABLE_ADDRESS);
    bare_set(unit, &directory[1], SPEC_PASID_DIRECTORY_FPD);
    expect_silent(unit, 64, SPEC_SPD_2);
}

SCENARIO(refused_silent_pasid, .what = "a PASID entry says so", .kind = SCENARIO_RANDOM)
{
    struct unit *unit = start(&unit_modern, true);
    uint64_t *entry;

    bare_attach_pasid(unit, SOURCE, PASID, BARE_FIRST_STAGE, DID, bare_table(unit), 4, false);
    entry = bare_pasid(unit, SOURCE, PASID);
    bare_set(unit, entry, *entry | SPEC_PASID_FPD);
    expect_silent(unit, PASID, SPEC_SFS_2);
}
