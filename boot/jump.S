/* SPDX-License-Identifier: BSD-2-Clause */
/* From the firmware's page tables into Lull's. Copied into the page for AP start, which both have at the same
 * address. */
#define CR4_PGE   0x00080
#define CR4_PCIDE 0x20000

    .text
    .globl jump_code, jump_code_end

/* rdi: root of the page tables, rsi: entry, rdx: its argument. */
jump_code:
    /* Without global pages and process contexts nothing of the old mapping outlives the load of CR3. */
    mov %cr4, %rax
    and $~(CR4_PGE | CR4_PCIDE), %rax
    mov %rax, %cr4
    mov %rdi, %cr3
    mov %rdx, %rdi
    xor %ebp, %ebp
    jmp *%rsi
jump_code_end:

    .section .note.GNU-stack, "", @progbits
