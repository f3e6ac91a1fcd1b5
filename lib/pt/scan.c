/* SPDX-License-Identifier: BSD-2-Clause */
/* The scan of a table for lines that are not clean, by 64 bits or by 256. */
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

/* Four lines at a time: those that are all clean, as nearly all are, cost eight loads and one test. That each
 * entry of a vector is read whole is no promise of the architecture, and not needed: a bit that was set
 * before is seen, and one that is set meanwhile may be. The compiler knows nothing of the registers, which
 * are put back. */
static uint64_t scan_avx2(const uint64_t *table, uint64_t mask)
{
    unsigned char saved[6 * 32];
    uint64_t found = 0, line = 0, some;

    __asm__ volatile("vmovdqu %%ymm0, 0x00(%[saved])\n\t"
                     "vmovdqu %%ymm1, 0x20(%[saved])\n\t"
                     "vmovdqu %%ymm2, 0x40(%[saved])\n\t"
                     "vmovdqu %%ymm3, 0x60(%[saved])\n\t"
                     "vmovdqu %%ymm4, 0x80(%[saved])\n\t"
                     "vmovdqu %%ymm5, 0xa0(%[saved])\n\t"
                     "vmovq %[mask], %%xmm5\n\t"
                     "vpbroadcastq %%xmm5, %%ymm5\n"
                     "1:\n\t"
                     "vmovdqa 0x00(%[table]), %%ymm0\n\t"
                     "vmovdqa 0x40(%[table]), %%ymm1\n\t"
                     "vmovdqa 0x80(%[table]), %%ymm2\n\t"
                     "vmovdqa 0xc0(%[table]), %%ymm3\n\t"
                     "vpor 0x20(%[table]), %%ymm0, %%ymm0\n\t"
                     "vpor 0x60(%[table]), %%ymm1, %%ymm1\n\t"
                     "vpor 0xa0(%[table]), %%ymm2, %%ymm2\n\t"
                     "vpor 0xe0(%[table]), %%ymm3, %%ymm3\n\t"
                     "vpor %%ymm0, %%ymm1, %%ymm4\n\t"
                     "vpor %%ymm2, %%ymm4, %%ymm4\n\t"
                     "vpor %%ymm3, %%ymm4, %%ymm4\n\t"
                     "vptest %%ymm5, %%ymm4\n\t"
                     "jz 2f\n\t"
                     "xorl %k[some], %k[some]\n\t"
                     "vptest %%ymm5, %%ymm3\n\t"
                     "setnz %b[some]\n\t"
                     "shll $1, %k[some]\n\t"
                     "vptest %%ymm5, %%ymm2\n\t"
                     "setnz %%al\n\t"
                     "orb %%al, %b[some]\n\t"
                     "shll $1, %k[some]\n\t"
                     "vptest %%ymm5, %%ymm1\n\t"
                     "setnz %%al\n\t"
                     "orb %%al, %b[some]\n\t"
                     "shll $1, %k[some]\n\t"
                     "vptest %%ymm5, %%ymm0\n\t"
                     "setnz %%al\n\t"
                     "orb %%al, %b[some]\n\t"
                     "shlq %%cl, %q[some]\n\t"
                     "orq %q[some], %[found]\n"
                     "2:\n\t"
                     "addq $0x100, %[table]\n\t"
                     "addl $4, %%ecx\n\t"
                     "cmpl $64, %%ecx\n\t"
                     "jb 1b\n\t"
                     "vmovdqu 0x00(%[saved]), %%ymm0\n\t"
                     "vmovdqu 0x20(%[saved]), %%ymm1\n\t"
                     "vmovdqu 0x40(%[saved]), %%ymm2\n\t"
                     "vmovdqu 0x60(%[saved]), %%ymm3\n\t"
                     "vmovdqu 0x80(%[saved]), %%ymm4\n\t"
                     "vmovdqu 0xa0(%[saved]), %%ymm5\n\t"
                     : [found] "+&r"(found), [table] "+&r"(table), "+&c"(line), [some] "=&q"(some)
                     : [saved] "r"(saved), [mask] "r"(mask)
                     : "rax", "cc", "memory");
    return found;
}

uint64_t (*pt_scan_lines)(const uint64_t *table, uint64_t mask) = scan_plain;

void pt_scan_select(enum pt_scan scan)
{
    pt_scan_lines = scan == PT_SCAN_AVX2 ? scan_avx2 : scan_plain;
}
