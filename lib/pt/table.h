/* SPDX-License-Identifier: BSD-2-Clause */
/* How many entries of a table are in use: a count in its struct page. Who empties a table learns it from the
 * count, and freezes it in one step against everybody who would put something there. (KVM's page tables for
 * arm64 are counted in the same way; there a lock does what FROZEN does here.) */
#pragma once

#include "lib/atomic.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include <stdbool.h>
#include <stdint.h>

/* Set in the count of a table that is on its way out. Who comes too late may add to it: nobody asks any more
 * how much there is. */
#define PT_TABLE_FROZEN (1u << 31)

static ALWAYS_INLINE uint32_t *pt_table_count(const uint64_t *entry)
{
    return &page_of(entry)->entries_used;
}

/* A new table that nobody sees yet, with so many entries in it. */
static ALWAYS_INLINE void pt_table_begin(const uint64_t *table, unsigned count)
{
    *pt_table_count(table) = count;
}

/* Before count entries are installed in a linked table: as long as they are counted it stays. False if it is
 * frozen. */
static ALWAYS_INLINE bool pt_table_reserve(const uint64_t *entry, unsigned count)
{
    uint32_t *used = pt_table_count(entry);

    if (mutant(FROZEN_SKIPPED))
        return atomic_fetch_add(used, count), true;
    /* The look first, or those who come again and again would make the count overflow in the end. */
    return !(atomic_read(used) & PT_TABLE_FROZEN) && !(atomic_fetch_add(used, count) & PT_TABLE_FROZEN);
}

/* After count entries were emptied, or not installed. Returns how many are left in use. A full barrier: who
 * finds the table empty finds its entries so. */
static ALWAYS_INLINE unsigned pt_table_release(const uint64_t *entry, unsigned count)
{
    return atomic_fetch_sub(pt_table_count(entry), count) - count;
}

/* Nothing can be installed any more. False if more than count entries are in use, and all is as it was. */
static ALWAYS_INLINE bool pt_table_freeze(const uint64_t *table, unsigned count)
{
    uint32_t *used = pt_table_count(table);
    uint32_t found = count;

    return atomic_read(used) == count && atomic_compare_exchange(used, &found, count | PT_TABLE_FROZEN);
}
