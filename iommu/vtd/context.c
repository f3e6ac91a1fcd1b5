/* SPDX-License-Identifier: BSD-2-Clause */
/* Root and context tables of both modes. A root entry has one word for a table of all functions of its bus in
 * legacy mode; in scalable mode, where entries are twice as large, one for each half of them. */
#include "iommu/vtd/context.h"
#include "iommu/vtd/pasid.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/units.h"

#define BUSES              256
#define FUNCTIONS          256
#define ROOT_ENTRY_PRESENT (1ull << 0)

_Static_assert(128 * 4 * sizeof(uint64_t) == PAGE_SIZE && 256 * 2 * sizeof(uint64_t) == PAGE_SIZE,
               "a table fills a page in both modes");

static unsigned entry_words(const struct vtd_unit *unit)
{
    return unit->scalable ? 4 : 2;
}

/* Functions that one table is for. */
static unsigned table_functions(const struct vtd_unit *unit)
{
    return unit->scalable ? 128 : 256;
}

static uint64_t *root_word(const struct vtd_unit *unit, struct pci_address device)
{
    return &unit->root[device.bus].table[device.devfn / table_functions(unit)];
}

static uint64_t *entry_in(const struct vtd_unit *unit, uint64_t root_word, struct pci_address device)
{
    uint64_t *table = phys_to_virt(root_word & VTD_PAGE_ADDRESS);

    return &table[device.devfn % table_functions(unit) * entry_words(unit)];
}

uint64_t *vtd_context_find(const struct vtd_unit *unit, struct pci_address device)
{
    uint64_t word = atomic_read_acquire(root_word(unit, device));

    return (word & ROOT_ENTRY_PRESENT) ? entry_in(unit, word, device) : NULL;
}

/* False when there is no memory for the table. */
static bool link_table(const struct vtd_unit *unit, uint64_t *word)
{
    void *table = pages_alloc(0, PAGE_HYPERVISOR);
    uint64_t found = 0;

    if (!table) {
        log_error("vtd%u: no memory for a context table", unit->index);
        return false;
    }
    vtd_unit_sync_table(unit, table, PAGE_SIZE);
    if (!atomic_compare_exchange(word, &found, virt_to_phys(table) | ROOT_ENTRY_PRESENT))
        pages_free(table); /* another CPU was faster */
    return true;
}

uint64_t *vtd_context_make(struct vtd_unit *unit, struct pci_address device)
{
    uint64_t *word = root_word(unit, device);

    if (!vtd_context_find(unit, device) && !link_table(unit, word))
        return NULL;
    /* By whoever finds it linked too: the CPU that linked it may not have come to this yet. */
    vtd_unit_sync_table(unit, word, sizeof *word);
    return vtd_context_find(unit, device);
}

void vtd_context_set(const struct vtd_unit *unit, uint64_t *entry, const uint64_t *words)
{
    unsigned count = entry_words(unit);

    for (unsigned i = 1; i < count; i++)
        entry[i] = words[i];
    /* The unit may read the entry in several parts, so the word with the present bit comes last, and so it
     * does to memory. */
    vtd_unit_sync_table(unit, entry, count * sizeof *entry);
    atomic_fetch_or(&entry[0], words[0]);
    vtd_unit_sync_table(unit, entry, count * sizeof *entry);
}

bool vtd_context_retract(const struct vtd_unit *unit, uint64_t *entry)
{
    uint64_t before = atomic_fetch_and(&entry[0], ~VTD_CONTEXT_PRESENT);

    vtd_unit_sync_table(unit, entry, sizeof *entry);
    return before & VTD_CONTEXT_PRESENT;
}

void vtd_context_clear(const struct vtd_unit *unit, uint64_t *entry)
{
    unsigned count = entry_words(unit);

    atomic_fetch_and(&entry[0], VTD_CONTEXT_FPD);
    for (unsigned i = 1; i < count; i++)
        entry[i] = 0;
    vtd_unit_sync_table(unit, entry, count * sizeof *entry);
}

static void free_context_table(const struct vtd_unit *unit, uint64_t *table)
{
    unsigned words = entry_words(unit);

    for (unsigned i = 0; unit->scalable && i < table_functions(unit); i++)
        if (vtd_context_target(&table[i * words]))
            vtd_pasid_free(phys_to_virt(vtd_context_target(&table[i * words])));
    pages_free(table);
}

void vtd_context_free_tables(struct vtd_unit *unit)
{
    if (!unit->root)
        return;
    for (unsigned bus = 0; bus < BUSES; bus++)
        for (unsigned i = 0; i < FUNCTIONS / table_functions(unit); i++)
            if (unit->root[bus].table[i])
                free_context_table(unit, phys_to_virt(unit->root[bus].table[i] & VTD_PAGE_ADDRESS));
    pages_free(unit->root);
    unit->root = NULL;
}
