/* SPDX-License-Identifier: BSD-2-Clause */
/* PASID directories, tables and entries: as memory. What their bits mean is in stage.c. */
#include "iommu/vtd/pasid.h"
#include "lib/atomic.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/units.h"

#define DIRECTORY_ENTRY_PRESENT (1ull << 0)
#define DIRECTORY_ENTRIES       (1u << (VTD_PASID_PDTS + 7))
#define TABLE_ENTRIES           (PAGE_SIZE / sizeof(struct vtd_pasid_entry))

_Static_assert(DIRECTORY_ENTRIES * sizeof(uint64_t) == PAGE_SIZE, "the directory is a page");
_Static_assert(DIRECTORY_ENTRIES *TABLE_ENTRIES == 1 << VTD_PASIDS_LG2, "PASIDs that it is for");

uint64_t *vtd_pasid_make(const struct vtd_unit *unit)
{
    uint64_t *directory = pages_alloc(0, PAGE_HYPERVISOR);

    if (directory)
        vtd_unit_sync_table(unit, directory, PAGE_SIZE);
    else
        log_error("vtd%u: no memory for a PASID directory", unit->index);
    return directory;
}

static struct vtd_pasid_entry *table_of(uint64_t directory_entry)
{
    return phys_to_virt(directory_entry & VTD_PAGE_ADDRESS);
}

void vtd_pasid_free(uint64_t *directory)
{
    for (unsigned i = 0; i < DIRECTORY_ENTRIES; i++)
        if (directory[i])
            pages_free(table_of(directory[i]));
    pages_free(directory);
}

struct vtd_pasid_entry *vtd_pasid_entry_find(const uint64_t *directory, uint32_t pasid)
{
    uint64_t entry = atomic_read(&directory[pasid / TABLE_ENTRIES]);

    return entry ? &table_of(entry)[pasid % TABLE_ENTRIES] : NULL;
}

struct vtd_pasid_entry *vtd_pasid_entry_make(const struct vtd_unit *unit, uint64_t *directory, uint32_t pasid)
{
    uint64_t *slot = &directory[pasid / TABLE_ENTRIES];
    void *table;

    if (!*slot) {
        table = pages_alloc(0, PAGE_HYPERVISOR);
        if (!table) {
            log_error("vtd%u: no memory for a PASID table", unit->index);
            return NULL;
        }
        vtd_unit_sync_table(unit, table, PAGE_SIZE);
        atomic_write_release(slot, virt_to_phys(table) | DIRECTORY_ENTRY_PRESENT);
        vtd_unit_sync_table(unit, slot, sizeof *slot);
    }
    return vtd_pasid_entry_find(directory, pasid);
}

void vtd_pasid_set(const struct vtd_unit *unit, struct vtd_pasid_entry *entry, const uint64_t *words)
{
    if (mutant(PRESENT_WORD_FIRST))
        atomic_write_release(&entry->word[0], words[0]);
    for (unsigned i = 1; i < VTD_PASID_WORDS; i++)
        entry->word[i] = words[i];
    /* The unit reads an entry in parts, so the word with the present bit comes last, and so it does to
     * memory. */
    vtd_unit_sync_table(unit, entry, sizeof *entry);
    atomic_write_release(&entry->word[0], words[0]);
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

void vtd_pasid_switch(const struct vtd_unit *unit, struct vtd_pasid_entry *entry, uint64_t bit, bool on)
{
    uint64_t word = atomic_read(&entry->word[0]);

    do {
        if (!(word & VTD_PASID_PRESENT))
            return;
    } while (!atomic_compare_exchange(&entry->word[0], &word, on ? word | bit : word & ~bit));
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

void vtd_pasid_retract(const struct vtd_unit *unit, struct vtd_pasid_entry *entry)
{
    atomic_fetch_and(&entry->word[0], ~VTD_PASID_PRESENT);
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

void vtd_pasid_clear(const struct vtd_unit *unit, struct vtd_pasid_entry *entry)
{
    *entry = (struct vtd_pasid_entry){{0}};
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

unsigned vtd_pasid_count(const uint64_t *directory, uint64_t bits)
{
    unsigned count = 0;

    for (unsigned i = 0; i < DIRECTORY_ENTRIES; i++)
        for (unsigned n = 0; directory[i] && n < TABLE_ENTRIES; n++)
            count += (table_of(directory[i])[n].word[0] & bits) != 0;
    return count;
}
