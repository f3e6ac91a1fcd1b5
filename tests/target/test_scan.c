/* SPDX-License-Identifier: BSD-2-Clause */
/* The scan of tables by AVX2, on the CPU that it was chosen on. */
#include "arch/cpu/cpu.h"
#include "lib/page_alloc.h"
#include "lib/pt/scan.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/vector.h"
#include <string.h>

TEST(pt_scan)
{
    struct vectors before, values;
    uint64_t *table, lines;

    if (!cpu_features.avx2) {
        tap_skip("the CPU has no AVX2");
        return;
    }
    table = pages_alloc(0, PAGE_HYPERVISOR);
    if (!tap_ok(table, "a table"))
        return;
    for (unsigned i = 0; i < sizeof before; i++)
        ((unsigned char *)&before)[i] = (unsigned char)(i * 7 + 3);
    values = before;
    memset(table, 0, PAGE_SIZE);
    table[3] = table[9 * PT_LINE_ENTRIES] = table[511] = 0x40;
    table[20] = 0x20;
    lines = vectors_around(&values, pt_scan_lines, table, 0x40);
    tap_ok(lines == (1ull << 0 | 1ull << 9 | 1ull << 63), "it finds the lines that have something (0x%lx)",
           (unsigned long)lines);
    tap_ok(!memcmp(&values, &before, sizeof values), "vector registers are as they were before");
    pages_free(table);
}
