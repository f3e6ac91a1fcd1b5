/* SPDX-License-Identifier: BSD-2-Clause */
/* The scan of a table by vectors of 256 bits. */
#include "lib/pt/scan.h"

/* Four lines at a time: those that are all clean, as nearly all are, cost eight loads and one test. That each
 * entry of a vector is read whole is no promise of the architecture, and not needed: a bit that was set
 * before is seen, and one that is set meanwhile may be. The compiler knows nothing of the registers, which
 * are put back. */
__attribute__((no_sanitize_address, no_sanitize_thread)) uint64_t pt_scan_avx2(const uint64_t *table,
                                                                               uint64_t mask)
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
