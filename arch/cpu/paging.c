/* SPDX-License-Identifier: BSD-2-Clause */
/* Changing the hypervisor's own page tables. Tables are only ever added, by compare-and-swap, so that several
 * CPUs may map at once; entries go from empty to mapped, which needs no flush, but at start, where one CPU
 * runs. */
#include "arch/cpu/paging.h"
#include "arch/cpu/paging_entry.h"
#include "arch/cpu/registers.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/units.h"

/* Accessed and dirty are set beforehand, so that no CPU has to write to the tables. */
#define TABLE_BITS (ENTRY_PRESENT | ENTRY_WRITE | ENTRY_ACCESSED)
#define LEAF_BITS  (ENTRY_PRESENT | ENTRY_ACCESSED | ENTRY_DIRTY)

/* The table that entry points to, which is made if there is none. NULL when out of memory. */
static uint64_t *table_below(uint64_t *entry)
{
    uint64_t found = atomic_read_acquire(entry);
    uint64_t *table;

    if (found & ENTRY_PRESENT)
        return entry_table(found);
    table = pages_alloc(0, PAGE_HYPERVISOR);
    if (!table)
        return NULL;
    if (atomic_compare_exchange(entry, &found, virt_to_phys(table) | TABLE_BITS))
        return table;
    pages_free(table);
    return entry_table(found);
}

/* The entry for address at level, with the tables above it made. NULL when out of memory. */
static uint64_t *entry_make(uintptr_t address, unsigned level)
{
    uint64_t *table = paging_live_root();

    for (unsigned at = paging_top_level(); table && at > level; at--)
        table = table_below(&table[entry_index(address, at)]);
    return table ? &table[entry_index(address, level)] : NULL;
}

static uint64_t leaf_bits(unsigned rights)
{
    uint64_t bits = LEAF_BITS;

    bits |= rights & PAGING_WRITE ? ENTRY_WRITE : 0;
    bits |= rights & PAGING_EXECUTE ? 0 : ENTRY_NX;
    /* PAT index 3: uncached, whatever the MTRRs say. */
    bits |= rights & PAGING_UNCACHED ? ENTRY_PCD | ENTRY_PWT : 0;
    return bits;
}

bool paging_map(uintptr_t address, uint64_t hpa, uint64_t bytes, unsigned rights)
{
    uint64_t bits = leaf_bits(rights);

    for (uint64_t done = 0; done < bytes;) {
        bool large =
            is_aligned(address + done, 2 * MIB) && is_aligned(hpa + done, 2 * MIB) && bytes - done >= 2 * MIB;
        uint64_t *entry = entry_make(address + done, large);

        if (!entry) {
            log_error("paging: no memory for page tables");
            return false;
        }
        atomic_write_release(entry, (hpa + done) | bits | (large ? ENTRY_LARGE : 0));
        done += large ? 2 * MIB : PAGE_SIZE;
    }
    return true;
}

/* The entry that maps address by a leaf, its level, and the rights that the tables above it leave. NULL if
 * there is none. */
static uint64_t *entry_find(uintptr_t address, unsigned *level, uint64_t *upper)
{
    uint64_t *table = paging_live_root();

    *upper = ENTRY_WRITE | ENTRY_USER;
    for (unsigned at = paging_top_level();; at--) {
        uint64_t *entry = &table[entry_index(address, at)];
        uint64_t found = atomic_read_acquire(entry);

        if (!(found & ENTRY_PRESENT))
            return NULL;
        if (entry_is_leaf(found, at)) {
            *level = at;
            return entry;
        }
        *upper = (*upper & (found | ENTRY_NX)) | (found & ENTRY_NX);
        table = entry_table(found);
    }
}

bool paging_lookup(uintptr_t address, struct paging_leaf *leaf)
{
    uint64_t upper, found, offset;
    unsigned level;
    uint64_t *entry = entry_find(address, &level, &upper);

    if (!entry)
        return false;
    found = atomic_read(entry);
    leaf->bytes = 1ull << entry_shift(level);
    offset = address & (leaf->bytes - 1);
    leaf->hpa = align_down(found & ENTRY_ADDRESS, leaf->bytes) | offset;
    leaf->rights = found & upper & ENTRY_WRITE ? PAGING_WRITE : 0;
    leaf->rights |= (found | upper) & ENTRY_NX ? 0 : PAGING_EXECUTE;
    leaf->rights |= found & ENTRY_PCD ? PAGING_UNCACHED : 0;
    return true;
}

bool paging_unmap_page(uintptr_t address)
{
    uint64_t upper;
    unsigned level;
    uint64_t *entry = entry_find(address, &level, &upper);

    if (!entry || level != 0)
        return false;
    atomic_write(entry, 0);
    __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
    return true;
}

void paging_flush_all(void)
{
    uint64_t cr4;

    /* Turning PGE off and on drops global translations and cached tables too (SDM volume 3, 4.10.4.1). */
    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4)::"memory");
    __asm__ volatile("movq %0, %%cr4" ::"r"(cr4 & ~(uint64_t)CR4_PGE) : "memory");
    __asm__ volatile("movq %0, %%cr4" ::"r"(cr4) : "memory");
}

void paging_drop_lower_half(void)
{
    uint64_t *root = paging_live_root();

    for (unsigned i = 0; i < ENTRIES / 2; i++)
        atomic_write(&root[i], 0);
    paging_flush_all();
}

uint32_t paging_root(void)
{
    return (uint32_t)virt_to_phys(paging_live_root());
}
