/* SPDX-License-Identifier: BSD-2-Clause */
/* Each way in which a unit can translate, by the rules: it goes where the tables say, sets accessed and dirty
 * where it has to, and refuses the rest for the reason that the specification gives. */
#include "lib/atomic.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/bare_probe.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

#define SOURCE 0x0108
#define DID    7

struct mode {
    const struct unit_config *config;
    bool scalable;
    enum bare_stage stage;
    unsigned levels;
    unsigned level; /* of the leaf */
    bool dirty;     /* SSADE */
};

static bool keeps_dirty(const struct mode *mode)
{
    return mode->dirty || (mode->stage == BARE_FIRST_STAGE && mode->config->ecap & SPEC_ECAP_SMPWC);
}

/* The first address of the last leaf but one below 2^47, where all levels' indexes are large. */
static uint64_t test_iova(const struct mode *mode)
{
    unsigned width = 12 + 9 * mode->levels - (mode->stage == BARE_FIRST_STAGE);

    if (width > SPEC_CAP_MGAW(mode->config->cap) + 1)
        width = SPEC_CAP_MGAW(mode->config->cap) + 1;
    return (1ull << width) - (2ull << (12 + 9 * mode->level));
}

static uint8_t nothing_there(const struct mode *mode, bool write)
{
    if (mode->stage == BARE_FIRST_STAGE)
        return SPEC_SFS_2;
    if (mode->scalable)
        return SPEC_SSS_2;
    return write ? SPEC_LGN_2 : SPEC_LGN_3;
}

static uint8_t beyond(const struct mode *mode)
{
    unsigned width = 12 + 9 * mode->levels;

    if (mode->stage == BARE_FIRST_STAGE)
        return width > SPEC_CAP_MGAW(mode->config->cap) + 1 ? SPEC_SGN_4 : SPEC_SGN_1;
    return mode->scalable ? SPEC_SGN_5 : SPEC_LGN_1;
}

/* A leaf of 2 MiB or 1 GiB reaches far beyond the page that is meant; that one is where the offset says. */
static uint64_t leaf_for(const struct mode *mode, uint64_t hpa)
{
    bool second = mode->stage == BARE_SECOND_STAGE;
    uint64_t leaf = bare_leaf(align_down(hpa, 1ull << (12 + 9 * mode->level)), mode->level, second);
    bool preset = !second && !(mode->config->ecap & SPEC_ECAP_SMPWC);

    return preset ? leaf | SPEC_FS_ACCESSED | SPEC_FS_DIRTY : leaf;
}

static void expect_bits(const struct mode *mode, const uint64_t *slot, bool dirty)
{
    bool second = mode->stage == BARE_SECOND_STAGE;
    uint64_t entry = atomic_read(slot);

    if (!keeps_dirty(mode)) {
        /* A unit that keeps no such bits leaves them alone. */
        if (second)
            expect(!(entry & (SPEC_SS_ACCESSED | SPEC_SS_DIRTY)));
        return;
    }
    expect(entry & (second ? SPEC_SS_ACCESSED : SPEC_FS_ACCESSED));
    expect_equal(!(entry & (second ? SPEC_SS_DIRTY : SPEC_FS_DIRTY)), !dirty);
}

/* A device that was blocked is attached, a page is mapped, read, written, made read-only, unmapped. */
static void run_mode(const struct mode *mode)
{
    static struct probe probe;
    struct unit *unit = bare_start(mode->config, mode->scalable);
    bool second = mode->stage == BARE_SECOND_STAGE;
    uint64_t *root = bare_table(unit);
    uint64_t page = bare_dma_memory(0);
    uint64_t iova = test_iova(mode);
    uint64_t offset = page & ((1ull << (12 + 9 * mode->level)) - 1);
    uint64_t *slot;

    probe_make(&probe, SOURCE);
    schedule_set_calm(false);
    probe_expect_refused(&probe, iova, false, mode->scalable ? SPEC_SRT_2 : SPEC_LRT_2);
    bare_attach(unit, SOURCE, mode->stage, DID, root, mode->levels, mode->dirty, false);
    if (mode->config->cap & SPEC_CAP_CM)
        bare_invalidate_all(unit);
    probe_expect_refused(&probe, iova + offset, false, nothing_there(mode, false));
    probe_expect_refused(&probe, 1ull << (12 + 9 * mode->levels), true, beyond(mode));

    slot = bare_slot(unit, root, mode->levels, iova, mode->level, second);
    bare_set(unit, slot, leaf_for(mode, page));
    if (mode->config->cap & SPEC_CAP_CM && second)
        bare_invalidate_all(unit);
    probe_expect(&probe, iova + offset, false, page);
    expect_bits(mode, slot, false);
    probe_expect(&probe, iova + offset, true, page);
    expect_bits(mode, slot, true);

    bare_set(unit, slot, leaf_for(mode, page) & ~(second ? SPEC_SS_WRITE : SPEC_FS_WRITE));
    bare_invalidate_all(unit);
    probe_expect(&probe, iova + offset, false, page);
    probe_expect_refused(&probe, iova + offset, true, mode->scalable ? SPEC_SGN_6 : SPEC_LGN_2);
    bare_set(unit, slot, 0);
    bare_invalidate_all(unit);
    probe_expect_refused(&probe, iova + offset, false, nothing_there(mode, false));
}

#define MODE(name, text, ...)                                                                                \
    SCENARIO(name, .what = text, .kind = SCENARIO_RANDOM)                                                    \
    {                                                                                                        \
        run_mode(&(struct mode){__VA_ARGS__});                                                               \
    }

/* --- legacy mode --- */

MODE(legacy_three_levels, "legacy mode, three levels", .config = &unit_modern, .stage = BARE_SECOND_STAGE,
     .levels = 3)
MODE(legacy_four_levels, "legacy mode, four levels", .config = &unit_modern, .stage = BARE_SECOND_STAGE,
     .levels = 4)
MODE(legacy_five_levels, "legacy mode, five levels", .config = &unit_five_levels, .stage = BARE_SECOND_STAGE,
     .levels = 5)
MODE(legacy_2m, "legacy mode, a leaf of 2 MiB", .config = &unit_old, .stage = BARE_SECOND_STAGE, .levels = 3,
     .level = 1)
MODE(legacy_1g, "legacy mode, a leaf of 1 GiB", .config = &unit_modern, .stage = BARE_SECOND_STAGE,
     .levels = 4, .level = 2)
MODE(legacy_old, "legacy mode on a unit that snoops nothing and has a write buffer", .config = &unit_old,
     .stage = BARE_SECOND_STAGE, .levels = 4)
MODE(legacy_caching_mode, "legacy mode in caching mode", .config = &unit_caching_mode,
     .stage = BARE_SECOND_STAGE, .levels = 4)

/* --- scalable mode, second stage --- */

MODE(second_stage_three_levels, "second stage, three levels", .config = &unit_modern, .scalable = true,
     .stage = BARE_SECOND_STAGE, .levels = 3)
MODE(second_stage_four_levels, "second stage, four levels, no accessed and dirty", .config = &unit_modern,
     .scalable = true, .stage = BARE_SECOND_STAGE, .levels = 4)
MODE(second_stage_five_levels, "second stage, five levels", .config = &unit_five_levels, .scalable = true,
     .stage = BARE_SECOND_STAGE, .levels = 5, .dirty = true)
MODE(second_stage_dirty, "second stage with accessed and dirty (SSADE)", .config = &unit_modern,
     .scalable = true, .stage = BARE_SECOND_STAGE, .levels = 4, .dirty = true)
MODE(second_stage_2m_dirty, "second stage with accessed and dirty in a leaf of 2 MiB", .config = &unit_modern,
     .scalable = true, .stage = BARE_SECOND_STAGE, .levels = 4, .level = 1, .dirty = true)
MODE(second_stage_1g_dirty, "second stage with accessed and dirty in a leaf of 1 GiB",
     .config = &unit_small_mask, .scalable = true, .stage = BARE_SECOND_STAGE, .levels = 3, .level = 2,
     .dirty = true)
MODE(second_stage_incoherent, "second stage, no walk snoops", .config = &unit_incoherent, .scalable = true,
     .stage = BARE_SECOND_STAGE, .levels = 4)
MODE(second_stage_caching_mode, "second stage in caching mode", .config = &unit_caching_mode,
     .scalable = true, .stage = BARE_SECOND_STAGE, .levels = 4, .dirty = true)

/* --- scalable mode, first stage --- */

MODE(first_stage_four_levels, "first stage, four levels", .config = &unit_modern, .scalable = true,
     .stage = BARE_FIRST_STAGE, .levels = 4)
MODE(first_stage_five_levels, "first stage, five levels", .config = &unit_five_levels, .scalable = true,
     .stage = BARE_FIRST_STAGE, .levels = 5)
MODE(first_stage_2m, "first stage, a leaf of 2 MiB", .config = &unit_modern, .scalable = true,
     .stage = BARE_FIRST_STAGE, .levels = 4, .level = 1)
MODE(first_stage_1g, "first stage, a leaf of 1 GiB", .config = &unit_modern, .scalable = true,
     .stage = BARE_FIRST_STAGE, .levels = 4, .level = 2)
MODE(first_stage_incoherent, "first stage, no walk snoops: accessed and dirty are set from the start",
     .config = &unit_incoherent, .scalable = true, .stage = BARE_FIRST_STAGE, .levels = 4)
MODE(first_stage_caching_mode, "first stage in caching mode, which keeps nothing of it that is not there",
     .config = &unit_caching_mode, .scalable = true, .stage = BARE_FIRST_STAGE, .levels = 4)

/* --- PASIDs --- */

SCENARIO(several_pasids,
         .what = "a device with three PASIDs of one or two domain ids, first and second stage",
         .kind = SCENARIO_RANDOM)
{
    static struct probe probe;
    struct unit *unit = bare_start(&unit_modern, true);
    uint64_t *first[2] = {bare_table(unit), bare_table(unit)}, *second = bare_table(unit);
    uint64_t pages = bare_dma_memory(2), iova = 0x7000;

    probe_make(&probe, SOURCE);
    bare_attach(unit, SOURCE, BARE_SECOND_STAGE, DID, second, 4, true, false);
    bare_attach_pasid(unit, SOURCE, 5, BARE_FIRST_STAGE, DID + 1, first[0], 4, false);
    bare_attach_pasid(unit, SOURCE, 70, BARE_FIRST_STAGE, DID + 1, first[1], 4, false);
    bare_set(unit, bare_slot(unit, second, 4, iova, 0, true), bare_leaf(pages, 0, true));
    bare_set(unit, bare_slot(unit, first[0], 4, iova, 0, false), bare_leaf(pages + PAGE_SIZE, 0, false));
    bare_set(unit, bare_slot(unit, first[1], 4, iova, 0, false), bare_leaf(pages + 2 * PAGE_SIZE, 0, false));
    schedule_set_calm(false);
    for (unsigned round = 0; round < 2; round++) {
        probe_expect(&probe, iova, round, pages);
        probe_expect_pasid(&probe, 5, iova, round, pages + PAGE_SIZE);
        probe_expect_pasid(&probe, 70, iova, round, pages + 2 * PAGE_SIZE);
        probe_expect_pasid_refused(&probe, 6, iova, round, SPEC_SPT_2);
        probe_expect_pasid_refused(&probe, 0, iova, round, SPEC_SCT_9);
    }
}

SCENARIO(rid_pasid, .what = "requests without PASID go by another PASID than 0", .kind = SCENARIO_RANDOM)
{
    static struct probe probe;
    struct unit *unit = bare_start(&unit_modern, true);
    uint64_t *trees[2] = {bare_table(unit), bare_table(unit)};
    uint64_t pages = bare_dma_memory(1), iova = 0x7000;

    probe_make(&probe, SOURCE);
    bare_attach_pasid(unit, SOURCE, 9, BARE_SECOND_STAGE, DID, trees[0], 4, false);
    bare_attach_pasid(unit, SOURCE, 0, BARE_SECOND_STAGE, DID + 1, trees[1], 4, false);
    bare_set(unit, &bare_context(unit, SOURCE)[1], 9);
    bare_set(unit, bare_slot(unit, trees[0], 4, iova, 0, true), bare_leaf(pages, 0, true));
    bare_set(unit, bare_slot(unit, trees[1], 4, iova, 0, true), bare_leaf(pages + PAGE_SIZE, 0, true));
    schedule_set_calm(false);
    for (unsigned round = 0; round < 3; round++) {
        probe_expect(&probe, iova, true, pages);
        probe_expect_pasid_refused(&probe, 9, iova, true, SPEC_SCT_9);
        probe_expect_pasid(&probe, 0, iova, true, pages + PAGE_SIZE);
    }
}
