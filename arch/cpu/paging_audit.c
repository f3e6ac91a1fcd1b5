/* SPDX-License-Identifier: BSD-2-Clause */
/* A walk through all of the live page tables: nothing may be both writable and executable. */
#include "arch/cpu/paging.h"
#include "arch/cpu/paging_entry.h"
#include <string.h>

static uintptr_t canonical(uintptr_t address)
{
    unsigned unused = 64 - entry_shift(paging_top_level() + 1);

    return (uintptr_t)((intptr_t)(address << unused) >> unused);
}

static void audit_leaf(struct paging_audit *audit, uintptr_t address, uint64_t rights, unsigned level)
{
    audit->leaves++;
    audit->user_leaves += (rights & ENTRY_USER) != 0;
    audit->lower_leaves += (intptr_t)address >= 0;
    if (rights & ENTRY_NX)
        return;
    audit->executable_bytes += 1ull << entry_shift(level);
    if ((rights & ENTRY_WRITE) && audit->violations++ == 0)
        audit->first = address;
}

/* rights: what the tables above allow, in terms of an entry's bits. Recursion ends with level 0. */
static void audit_table(struct paging_audit *audit, const uint64_t *table, unsigned level, uintptr_t address,
                        uint64_t rights)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry = atomic_read_acquire(&table[i]);
        uintptr_t at = canonical(address + ((uintptr_t)i << entry_shift(level)));
        uint64_t both = (rights & entry & (ENTRY_WRITE | ENTRY_USER)) | ((rights | entry) & ENTRY_NX);

        if (!(entry & ENTRY_PRESENT))
            continue;
        if (entry_is_leaf(entry, level))
            audit_leaf(audit, at, both, level);
        else
            audit_table(audit, entry_table(entry), level - 1, at, both);
    }
}

void paging_audit(struct paging_audit *audit)
{
    memset(audit, 0, sizeof(*audit));
    audit_table(audit, paging_live_root(), paging_top_level(), 0, ENTRY_WRITE | ENTRY_USER);
}
