/* SPDX-License-Identifier: BSD-2-Clause */
/* PASID directories, tables and entries. */
#include "iommu/vtd/pasid.h"
#include "iommu/vtd/errata.h"
#include "iommu/vtd/vtd.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/units.h"

#define DIRECTORY_ENTRY_PRESENT (1ull << 0)

/* Scalable-mode PASID table entry (9.6). */
#define WORD0_PRESENT          (1ull << 0)
#define WORD0_AW_48_BITS       (2ull << 2)
#define WORD0_PGTT_FIRST_STAGE (1ull << 6)
#define WORD1_DID(did)         ((uint64_t)(did))
#define WORD1_PWSNP            (1ull << 23)
#define WORD1_PGSNP            (1ull << 24)
#define WORD2_FSPM_4_LEVELS    (0ull << 2)
#define WORD2_FSPM_5_LEVELS    (1ull << 2)

static struct vtd_pasid_entry *rid_entry(const uint64_t *directory)
{
    struct vtd_pasid_entry *table = phys_to_virt(directory[0] & VTD_PAGE_ADDRESS);

    return &table[VTD_RID_PASID];
}

uint64_t *vtd_pasid_make(const struct vtd_unit *unit)
{
    uint64_t *directory = pages_alloc(0, PAGE_HYPERVISOR);
    void *table = pages_alloc(0, PAGE_HYPERVISOR);

    if (directory && table) {
        directory[0] = virt_to_phys(table) | DIRECTORY_ENTRY_PRESENT;
        vtd_unit_sync_table(unit, table, PAGE_SIZE);
        vtd_unit_sync_table(unit, directory, PAGE_SIZE);
        return directory;
    }
    log_error("vtd%u: no memory for a PASID table", unit->index);
    if (directory)
        pages_free(directory);
    if (table)
        pages_free(table);
    return NULL;
}

void vtd_pasid_free(uint64_t *directory)
{
    pages_free(phys_to_virt(directory[0] & VTD_PAGE_ADDRESS));
    pages_free(directory);
}

void vtd_pasid_set_first_stage(const struct vtd_unit *unit, uint64_t *directory, const struct pt *tree,
                               uint16_t did)
{
    struct vtd_pasid_entry *entry = rid_entry(directory);
    uint64_t word0 = WORD0_PGTT_FIRST_STAGE | WORD0_PRESENT;
    uint64_t word1 = WORD1_DID(did);

    /* Both bits are reserved where the capability is missing. PGSNP makes DMA snoop whatever the device asks
     * for, PWSNP the walk. */
    if (unit->cap.snoop_control)
        word1 |= WORD1_PGSNP;
    if (unit->cap.coherent_walks && !mutant(NO_PWSNP))
        word1 |= WORD1_PWSNP;
    entry->word[2] =
        virt_to_phys(tree->root) | (tree->top_level == 4 ? WORD2_FSPM_5_LEVELS : WORD2_FSPM_4_LEVELS);
    entry->word[1] = word1;
    /* AW is about the second stage: ignored here, and reserved where there is none (9.6). */
    if (unit->cap.second_stage || vtd_errata() & VTD_ERRATUM_WIDTH_FROM_AW)
        word0 |= WORD0_AW_48_BITS;
    /* The unit reads an entry in parts, so the word with the present bit comes last, and so it does to
     * memory. */
    vtd_unit_sync_table(unit, entry, sizeof *entry);
    atomic_write_release(&entry->word[0], word0);
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

void vtd_pasid_retract(const struct vtd_unit *unit, uint64_t *directory)
{
    struct vtd_pasid_entry *entry = rid_entry(directory);
    uint64_t word = entry->word[0];

    atomic_write_release(&entry->word[0], word & ~WORD0_PRESENT);
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

uint16_t vtd_pasid_did(uint64_t *directory)
{
    return (uint16_t)rid_entry(directory)->word[1];
}
