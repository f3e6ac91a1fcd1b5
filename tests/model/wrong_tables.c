/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of tables with reserved bits, or that ask for what the unit has not: a wrong driver for each. Right
 * ones are in scenario_modes.c and scenario_refusals.c. */
#include "lib/compiler.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/bare_probe.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

#define SOURCE 0x0108
#define DID    7
#define IOVA   0x7000ull
#define LEVELS 4

static struct probe probe;

/* A device with one page mapped, in the mode. */
static struct unit *start(const struct unit_config *config, bool scalable, enum bare_stage stage,
                          uint64_t **root)
{
    struct unit *unit = bare_start(config, scalable);
    bool second = stage == BARE_SECOND_STAGE;

    *root = bare_table(unit);
    probe_make(&probe, SOURCE);
    bare_attach(unit, SOURCE, stage, DID, *root, LEVELS, false, false);
    bare_set(unit, bare_slot(unit, *root, LEVELS, IOVA, 0, second), bare_leaf(bare_dma_memory(0), 0, second));
    return unit;
}

/* Sets bits in an entry that is right otherwise, and lets the device go there. */
static void corrupt(struct unit *unit, uint64_t *entry, uint64_t bits)
{
    bare_set(unit, entry, *entry ^ bits);
    schedule_set_calm(false);
    device_access(&probe.device, IOVA, false);
}

#define WRONG(name, text)                                                                                    \
    SCENARIO(name, .what = text, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS)

/* --- root and context entries --- */

static uint64_t *root_entry(struct unit *unit)
{
    uint64_t *table = phys_to_virt(bare_read64(unit, SPEC_RTADDR) & SPEC_PAGE_ADDRESS);

    return &table[(SOURCE >> 8) * 2];
}

WRONG(reserved_root, "a root entry has a reserved bit")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, root_entry(unit), 1ull << 1);
}

WRONG(reserved_root_upper, "a root entry of legacy mode has an upper half")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, false, BARE_SECOND_STAGE, &root);

    corrupt(unit, root_entry(unit) + 1, SPEC_ROOT_PRESENT);
}

WRONG(reserved_context_legacy, "a context entry has a reserved bit")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, false, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_context(unit, SOURCE), 1ull << 4);
}

WRONG(reserved_context_legacy_upper, "a context entry has a reserved bit in its upper half")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, false, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_context(unit, SOURCE) + 1, 1ull << 7);
}

WRONG(context_translation_type, "a context entry's translation type is none")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, false, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_context(unit, SOURCE), SPEC_CONTEXT_WITH_TT(3));
}

WRONG(context_width, "a context entry has more levels than the unit")
{
    uint64_t *root;
    struct unit *unit = start(&unit_old, false, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_context(unit, SOURCE) + 1, SPEC_CONTEXT_AW(2) ^ SPEC_CONTEXT_AW(3));
}

WRONG(context_address_beyond, "a context entry points beyond the host's addresses")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, false, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_context(unit, SOURCE), 1ull << SPEC_HAW);
}

WRONG(reserved_context, "a context entry of scalable mode has a reserved bit")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_context(unit, SOURCE), 1ull << 5);
}

WRONG(reserved_context_pre, "a context entry allows page requests to a unit that has none")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_context(unit, SOURCE), SPEC_SM_CONTEXT_PRE);
}

WRONG(reserved_context_last, "a context entry of scalable mode has a bit in its last word")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_context(unit, SOURCE) + 3, 1);
}

/* --- PASID directory and table --- */

WRONG(reserved_directory, "a PASID directory entry has a reserved bit")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, phys_to_virt(*bare_context(unit, SOURCE) & SPEC_TABLE_ADDRESS), 1ull << 2);
}

WRONG(reserved_pasid_word0, "a PASID entry has a reserved bit in its first word")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_pasid(unit, SOURCE, 0), 1ull << 10);
}

WRONG(reserved_pasid_word1, "a PASID entry has a reserved bit in its second word")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_pasid(unit, SOURCE, 0) + 1, 1ull << 16);
}

WRONG(reserved_pasid_last, "a PASID entry has a bit in its last word")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_pasid(unit, SOURCE, 0) + 7, 1ull << 63);
}

WRONG(pasid_snoop_not_there, "a PASID entry asks for walks that snoop of a unit that has none")
{
    uint64_t *root;
    struct unit *unit = start(&unit_incoherent, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_pasid(unit, SOURCE, 0) + 1, SPEC_PASID_PWSNP);
}

WRONG(pasid_dirty_not_there, "a PASID entry has SSADE on a unit without second-stage accessed and dirty bits")
{
    static struct unit_config config;
    uint64_t *root;
    struct unit *unit;

    config = unit_modern;
    config.ecap &= ~SPEC_ECAP_SSADS;
    unit = start(&config, true, BARE_SECOND_STAGE, &root);
    corrupt(unit, bare_pasid(unit, SOURCE, 0), SPEC_PASID_SSADE);
}

WRONG(pasid_translation_type, "a PASID entry is present and of no type")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_pasid(unit, SOURCE, 0), SPEC_PASID_WITH_PGTT(SPEC_PGTT_SECOND_STAGE));
}

WRONG(pasid_five_levels, "a PASID entry has a first stage of five levels on a unit that has four")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_FIRST_STAGE, &root);

    corrupt(unit, bare_pasid(unit, SOURCE, 0) + 2, SPEC_PASID_WITH_FSPM(1));
}

WRONG(pasid_width_without_second_stage, "a PASID entry has AW on a unit without second stage")
{
    uint64_t *root;
    struct unit *unit = start(&unit_first_stage_only, true, BARE_FIRST_STAGE, &root);

    corrupt(unit, bare_pasid(unit, SOURCE, 0), SPEC_PASID_WITH_AW(2));
}

WRONG(rid_pasid_beyond_directory, "RID_PASID is beyond the directory")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_FIRST_STAGE, &root);

    corrupt(unit, bare_context(unit, SOURCE) + 1, 1 << 13);
}

WRONG(pass_through_width, "legacy mode: a context entry passes through, and AW is not the largest")
{
    struct unit *unit = bare_start(&unit_modern, false);

    probe_make(&probe, SOURCE);
    bare_attach(unit, SOURCE, BARE_PASS_THROUGH, DID, NULL, 0, false, false);
    corrupt(unit, bare_context(unit, SOURCE) + 1, SPEC_CONTEXT_AW(2) ^ SPEC_CONTEXT_AW(1));
}

WRONG(pasid_width, "a PASID entry has a second stage of six levels")
{
    uint64_t *root;
    struct unit *unit = start(&unit_five_levels, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_pasid(unit, SOURCE, 0), SPEC_PASID_WITH_AW(6));
}

WRONG(did_zero_in_caching_mode, "a PASID entry has domain id 0, which is the unit's own in caching mode")
{
    uint64_t *root;
    struct unit *unit = start(&unit_caching_mode, true, BARE_FIRST_STAGE, &root);

    corrupt(unit, bare_pasid(unit, SOURCE, 0) + 1, DID);
}

WRONG(did_beyond, "a context entry has a domain id of more bits than the unit")
{
    static struct unit_config config;
    uint64_t *root;
    struct unit *unit;

    config = unit_old;
    config.cap &= ~7ull; /* ND 0: 16 ids */
    unit = start(&config, false, BARE_SECOND_STAGE, &root);
    corrupt(unit, bare_context(unit, SOURCE) + 1, SPEC_CONTEXT_WITH_DID(16));
}

/* --- page-table entries --- */

WRONG(reserved_second_stage_table, "a second-stage table entry has bit 11, which is for leaves")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_slot(unit, root, LEVELS, IOVA, 1, true), SPEC_SS_SNP);
}

WRONG(reserved_second_stage_leaf, "a second-stage leaf points beyond the host's addresses")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_slot(unit, root, LEVELS, IOVA, 0, true), 1ull << SPEC_HAW);
}

WRONG(reserved_second_stage_62, "a second-stage leaf has bit 62")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, false, BARE_SECOND_STAGE, &root);

    corrupt(unit, bare_slot(unit, root, LEVELS, IOVA, 0, true), 1ull << 62);
}

WRONG(second_stage_1g_not_there, "a second-stage leaf of 1 GiB on a unit that has 2 MiB")
{
    uint64_t *root;
    struct unit *unit = start(&unit_old, false, BARE_SECOND_STAGE, &root);
    uint64_t *slot = bare_slot(unit, root, LEVELS, IOVA, 2, true);

    corrupt(unit, slot, *slot ^ bare_leaf(GIB, 2, true));
}

WRONG(second_stage_2m_unaligned, "a second-stage leaf of 2 MiB does not begin at one")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_SECOND_STAGE, &root);
    uint64_t *slot = bare_slot(unit, root, LEVELS, IOVA, 1, true);

    corrupt(unit, slot, *slot ^ bare_leaf(GIB + PAGE_SIZE, 1, true));
}

WRONG(reserved_first_stage_top, "the top table of the first stage has a leaf")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_FIRST_STAGE, &root);

    corrupt(unit, bare_slot(unit, root, LEVELS, IOVA, 3, false), SPEC_FS_PAGE_SIZE);
}

WRONG(reserved_first_stage_leaf, "a first-stage leaf points beyond the host's addresses")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_FIRST_STAGE, &root);

    corrupt(unit, bare_slot(unit, root, LEVELS, IOVA, 0, false), 1ull << 51);
}

WRONG(first_stage_1g_unaligned, "a first-stage leaf of 1 GiB does not begin at one")
{
    uint64_t *root;
    struct unit *unit = start(&unit_modern, true, BARE_FIRST_STAGE, &root);
    uint64_t *slot = bare_slot(unit, root, LEVELS, IOVA, 2, false);

    corrupt(unit, slot, *slot ^ bare_leaf(GIB + (1ull << 21), 2, false));
}
