/* SPDX-License-Identifier: BSD-2-Clause */
/* Scalable-mode root and context tables. A device without a present entry is blocked, so blocking takes no
 * table. */
#include "iommu/vtd/context.h"
#include "iommu/vtd/pasid.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/units.h"

#define BUSES              256
#define ENTRIES            (PAGE_SIZE / sizeof(struct vtd_context_entry))
#define ROOT_ENTRY_PRESENT (1ull << 0)

/* 9.4, word 0: DTE, PASIDE and PRE stay clear, so that translated requests, requests with PASID and page
 * requests are refused. PDTS is the size of the directory, 2^(PDTS + 7) entries. */
#define CONTEXT_PDTS(n) ((uint64_t)(n) << 9)

_Static_assert(ENTRIES == 128, "a context table covers 16 devices of 8 functions");

static uint64_t *root_half(const struct vtd_unit *unit, struct pci_address device)
{
    return &unit->root[device.bus].table[device.devfn / ENTRIES];
}

static struct vtd_context_entry *entry_in(uint64_t half, struct pci_address device)
{
    struct vtd_context_entry *table = phys_to_virt(half & VTD_PAGE_ADDRESS);

    return &table[device.devfn % ENTRIES];
}

struct vtd_context_entry *vtd_context_find(const struct vtd_unit *unit, struct pci_address device)
{
    uint64_t half = atomic_read_acquire(root_half(unit, device));

    return (half & ROOT_ENTRY_PRESENT) ? entry_in(half, device) : NULL;
}

/* False when there is no memory for the table. */
static bool link_table(const struct vtd_unit *unit, uint64_t *half)
{
    void *table = pages_alloc(0, PAGE_HYPERVISOR);
    uint64_t found = 0;

    if (!table) {
        log_error("vtd%u: no memory for a context table", unit->index);
        return false;
    }
    vtd_unit_sync_table(unit, table, PAGE_SIZE);
    if (!atomic_compare_exchange(half, &found, virt_to_phys(table) | ROOT_ENTRY_PRESENT))
        pages_free(table); /* another CPU was faster */
    return true;
}

struct vtd_context_entry *vtd_context_make(struct vtd_unit *unit, struct pci_address device)
{
    uint64_t *half = root_half(unit, device);

    if (!vtd_context_find(unit, device) && !link_table(unit, half))
        return NULL;
    /* By whoever finds it linked too: the CPU that linked it may not have come to this yet. */
    vtd_unit_sync_table(unit, half, sizeof *half);
    return vtd_context_find(unit, device);
}

void vtd_context_set(const struct vtd_unit *unit, struct vtd_context_entry *entry, uint64_t directory_hpa)
{
    entry->word[1] = VTD_RID_PASID;
    entry->word[2] = 0;
    entry->word[3] = 0;
    /* The unit may read the entry in several parts, so the word with the present bit comes last, and so it
     * does to memory. */
    vtd_unit_sync_table(unit, entry, sizeof *entry);
    atomic_write_release(&entry->word[0], directory_hpa | CONTEXT_PDTS(VTD_PASID_PDTS) | VTD_CONTEXT_PRESENT);
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

void vtd_context_retract(const struct vtd_unit *unit, struct vtd_context_entry *entry)
{
    uint64_t word = entry->word[0];

    atomic_write_release(&entry->word[0], word & ~VTD_CONTEXT_PRESENT);
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

void vtd_context_clear(const struct vtd_unit *unit, struct vtd_context_entry *entry)
{
    *entry = (struct vtd_context_entry){{0}};
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

uint64_t *vtd_context_directory(const struct vtd_context_entry *entry)
{
    uint64_t hpa = entry->word[0] & VTD_PAGE_ADDRESS;

    return hpa ? phys_to_virt(hpa) : NULL;
}

static void free_context_table(struct vtd_context_entry *table)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t *directory = vtd_context_directory(&table[i]);

        if (directory)
            vtd_pasid_free(directory);
    }
    pages_free(table);
}

void vtd_context_free_tables(struct vtd_unit *unit)
{
    if (!unit->root)
        return;
    for (unsigned bus = 0; bus < BUSES; bus++)
        for (unsigned half = 0; half < 2; half++)
            if (unit->root[bus].table[half])
                free_context_table(phys_to_virt(unit->root[bus].table[half] & VTD_PAGE_ADDRESS));
    pages_free(unit->root);
    unit->root = NULL;
}
