/* SPDX-License-Identifier: BSD-2-Clause */
/* The scan of a table for lines that are not clean. */
#include "lib/pt/scan.h"
#include "lib/atomic.h"
#include "lib/pt/pt.h"

#define LINES (PT_ENTRIES / PT_LINE_ENTRIES)

_Static_assert(LINES == 64, "a bit for each line");

static uint64_t scan_plain(const uint64_t *table, uint64_t mask)
{
    uint64_t found = 0;

    for (unsigned line = 0; line < LINES; line++) {
        uint64_t any = 0;

        for (unsigned i = 0; i < PT_LINE_ENTRIES; i++)
            any |= atomic_read(&table[line * PT_LINE_ENTRIES + i]);
        found |= (uint64_t)((any & mask) != 0) << line;
    }
    return found;
}

uint64_t (*pt_scan_lines)(const uint64_t *table, uint64_t mask) = scan_plain;

void pt_scan_select(enum pt_scan scan)
{
    pt_scan_lines = scan == PT_SCAN_AVX2 ? pt_scan_avx2 : scan_plain;
}
