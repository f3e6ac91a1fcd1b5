/* SPDX-License-Identifier: BSD-2-Clause */
/* From one Lull's page tables into another's. */
#include "arch/cpu/registers.h"

    .text
    .globl jump
    .type jump, @function
/* rdi: root of the page tables, rsi: boot_info, by the direct map that both have. */
jump:
    cli
    /* Without global pages (process contexts are off) nothing of the old mapping outlives the load of CR3. */
    movq %cr4, %rax
    andq $~CR4_PGE, %rax
    movq %rax, %cr4
    movq %rdi, %cr3
    /* This is the other one's text now, and its stack and data are fresh. */
    movq %rsi, %rdi
    jmp lull_entry
    .size jump, . - jump

    .section .note.GNU-stack, "", @progbits
