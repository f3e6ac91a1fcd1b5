/* SPDX-License-Identifier: BSD-2-Clause */
/* The bare driver's tables: root, context, PASID and page tables, made where they are needed. */
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"
#include "tests/model/violation.h"

#define ENTRIES_LG2 9

static bool scalable(struct unit *unit)
{
    return SPEC_RTADDR_TTM(bare_read64(unit, SPEC_RTADDR)) == SPEC_TTM_SCALABLE;
}

/* Whether page walks snoop: ECAP.C in legacy mode, in scalable mode SMPWC, which every entry made here asks
 * for (PWSNP) where it is there. */
static bool walks_snoop(struct unit *unit)
{
    uint64_t ecap = unit->config.ecap;

    return scalable(unit) ? ecap & SPEC_ECAP_SMPWC : ecap & SPEC_ECAP_C;
}

static void sync(struct unit *unit, const void *table, size_t bytes, bool snooped)
{
    if (!snooped)
        platform_cache_flush(table, bytes);
    if (unit->config.cap & SPEC_CAP_RWBF)
        bare_command(unit, SPEC_GCMD_WBF, true);
}

static uint64_t *new_table(struct unit *unit, bool snooped)
{
    uint64_t *table = pages_alloc(0, PAGE_HYPERVISOR);

    expect(table != NULL);
    sync(unit, table, PAGE_SIZE, snooped);
    return table;
}

uint64_t *bare_table(struct unit *unit)
{
    return new_table(unit, walks_snoop(unit) && unit->config.ecap & SPEC_ECAP_C);
}

void bare_set(struct unit *unit, uint64_t *slot, uint64_t entry)
{
    atomic_write_release(slot, entry);
    sync(unit, slot, sizeof *slot, walks_snoop(unit) && unit->config.ecap & SPEC_ECAP_C);
}

/* The table that an entry of a root, context or PASID directory table points to, made and linked if it is not
 * there yet. */
static uint64_t *linked_table(struct unit *unit, uint64_t *slot, uint64_t flags)
{
    if (!(*slot & SPEC_ROOT_PRESENT))
        bare_set(unit, slot, virt_to_phys(bare_table(unit)) | flags | SPEC_ROOT_PRESENT);
    return phys_to_virt(*slot & SPEC_TABLE_ADDRESS);
}

uint64_t *bare_context(struct unit *unit, uint16_t source_id)
{
    uint64_t *root = phys_to_virt(bare_read64(unit, SPEC_RTADDR) & SPEC_PAGE_ADDRESS);
    unsigned bus = source_id >> 8, devfn = source_id & 0xff;

    if (!scalable(unit))
        return linked_table(unit, &root[bus * 2], 0) + devfn * SPEC_CONTEXT_BYTES / 8;
    return linked_table(unit, &root[bus * 2 + devfn / 128], 0) + devfn % 128 * SPEC_SM_CONTEXT_BYTES / 8;
}

/* A present scalable-mode context entry, with the smallest directory. */
static uint64_t *context_with_directory(struct unit *unit, uint16_t source_id, bool ats)
{
    uint64_t *context = bare_context(unit, source_id);
    uint64_t word = SPEC_CONTEXT_PRESENT;

    if (unit->config.ecap & SPEC_ECAP_PASID)
        word |= SPEC_SM_CONTEXT_PASIDE;
    if (ats)
        word |= SPEC_SM_CONTEXT_DTE;
    if (!(context[0] & SPEC_CONTEXT_PRESENT))
        bare_set(unit, context, virt_to_phys(bare_table(unit)) | word);
    return context;
}

static uint64_t *pasid_entry(struct unit *unit, uint16_t source_id, uint32_t pasid, bool ats)
{
    uint64_t *context = context_with_directory(unit, source_id, ats);
    uint64_t *directory = phys_to_virt(context[0] & SPEC_TABLE_ADDRESS);

    expect(pasid < SPEC_SM_CONTEXT_PASIDS(context[0]));
    return linked_table(unit, &directory[SPEC_PASID_DIRECTORY_INDEX(pasid)], 0) +
           SPEC_PASID_INDEX(pasid) * SPEC_PASID_WORDS;
}

uint64_t *bare_pasid(struct unit *unit, uint16_t source_id, uint32_t pasid)
{
    return pasid_entry(unit, source_id, pasid, false);
}

/* Pass-through entries of legacy mode have the widest AW that the unit knows (9.3). */
static unsigned widest(const struct unit *unit)
{
    unsigned sagaw = SPEC_CAP_SAGAW(unit->config.cap);

    return sagaw & SPEC_SAGAW_5 ? 5 : sagaw & SPEC_SAGAW_4 ? 4 : 3;
}

void bare_legacy_words(const struct unit *unit, enum bare_stage stage, uint16_t did, const uint64_t *root,
                       unsigned levels, bool ats, uint64_t words[2])
{
    bool pass = stage == BARE_PASS_THROUGH;
    unsigned tt = pass ? SPEC_TT_PASS_THROUGH : ats ? SPEC_TT_DEVICE_TLB : SPEC_TT_UNTRANSLATED;

    expect(stage != BARE_FIRST_STAGE);
    words[0] = SPEC_CONTEXT_PRESENT | SPEC_CONTEXT_WITH_TT(tt) | (pass ? 0 : virt_to_phys(root));
    words[1] = SPEC_CONTEXT_WITH_DID(did) | ((pass ? widest(unit) : levels) - 2);
}

void bare_pasid_words(const struct unit *unit, enum bare_stage stage, uint16_t did, const uint64_t *root,
                      unsigned levels, bool dirty, uint64_t words[3])
{
    uint64_t ecap = unit->config.ecap;

    words[0] = SPEC_PASID_PRESENT | (dirty ? SPEC_PASID_SSADE : 0);
    words[1] = did | (ecap & SPEC_ECAP_SMPWC ? SPEC_PASID_PWSNP : 0);
    words[2] = 0;
    if (stage == BARE_FIRST_STAGE) {
        words[0] |= SPEC_PASID_WITH_PGTT(SPEC_PGTT_FIRST_STAGE);
        words[2] = virt_to_phys(root) | SPEC_PASID_WITH_FSPM(levels - 4);
    } else if (stage == BARE_SECOND_STAGE) {
        words[0] |= SPEC_PASID_WITH_PGTT(SPEC_PGTT_SECOND_STAGE) | SPEC_PASID_WITH_AW(levels - 2) |
                    virt_to_phys(root);
    } else {
        words[0] |= SPEC_PASID_WITH_PGTT(SPEC_PGTT_PASS_THROUGH);
    }
}

void bare_set_words(struct unit *unit, uint64_t *entry, const uint64_t *words, unsigned count)
{
    for (unsigned i = count; i-- > 0;)
        bare_set(unit, &entry[i], words[i]);
}

void bare_attach_pasid(struct unit *unit, uint16_t source_id, uint32_t pasid, enum bare_stage stage,
                       uint16_t did, uint64_t *root, unsigned levels, bool dirty)
{
    uint64_t words[3];

    bare_pasid_words(unit, stage, did, root, levels, dirty, words);
    bare_set_words(unit, bare_pasid(unit, source_id, pasid), words, ARRAY_SIZE(words));
}

void bare_attach(struct unit *unit, uint16_t source_id, enum bare_stage stage, uint16_t did, uint64_t *root,
                 unsigned levels, bool dirty, bool ats)
{
    uint64_t words[2];

    if (scalable(unit)) {
        pasid_entry(unit, source_id, 0, ats);
        bare_attach_pasid(unit, source_id, 0, stage, did, root, levels, dirty);
        return;
    }
    expect(!dirty);
    bare_legacy_words(unit, stage, did, root, levels, ats, words);
    bare_set_words(unit, bare_context(unit, source_id), words, ARRAY_SIZE(words));
}

/* An entry that points to a table. Where the unit may not update it, its accessed bit is there from the
 * start: a walk that had to set it would fail (SFS.9). */
static uint64_t table_entry(struct unit *unit, const uint64_t *table, bool second)
{
    uint64_t hpa = virt_to_phys(table);

    if (second)
        return hpa | SPEC_SS_READ | SPEC_SS_WRITE;
    return hpa | SPEC_FS_PRESENT | SPEC_FS_WRITE | SPEC_FS_USER | (walks_snoop(unit) ? 0 : SPEC_FS_ACCESSED);
}

uint64_t *bare_slot(struct unit *unit, uint64_t *root, unsigned levels, uint64_t iova, unsigned level,
                    bool second)
{
    uint64_t present = second ? SPEC_SS_READ | SPEC_SS_WRITE : SPEC_FS_PRESENT;
    uint64_t *table = root;

    for (unsigned at = levels - 1;; at--) {
        uint64_t *slot = &table[iova >> (PAGE_LG2 + ENTRIES_LG2 * at) & ((1u << ENTRIES_LG2) - 1)];

        if (at == level)
            return slot;
        if (!(*slot & present))
            bare_set(unit, slot, table_entry(unit, bare_table(unit), second));
        table = phys_to_virt(*slot & SPEC_TABLE_ADDRESS);
    }
}

uint64_t bare_leaf(uint64_t hpa, unsigned level, bool second)
{
    if (second)
        return hpa | SPEC_SS_READ | SPEC_SS_WRITE | (level ? SPEC_SS_PAGE_SIZE : 0);
    return hpa | SPEC_FS_PRESENT | SPEC_FS_WRITE | SPEC_FS_USER | (level ? SPEC_FS_PAGE_SIZE : 0);
}

uint64_t bare_dma_memory(unsigned order)
{
    void *memory = pages_alloc(order, PAGE_DMA);

    expect(memory != NULL);
    return virt_to_phys(memory);
}

uint64_t bare_table_hpa(struct unit *unit)
{
    return virt_to_phys(bare_table(unit));
}
