/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the loader jumps to: CPU 0 gets its stack and its area, and goes on in C. */
#include "arch/cpu/registers.h"
#include "arch/cpu/stack.h"

    .text
    .globl lull_entry
    .type lull_entry, @function
lull_entry:
    cli
    cld
    /* GS first: whatever asks for this CPU's number, the log for one, needs it. */
    movq $boot_cpu, %rax
    movq %rax, %rdx
    shrq $32, %rdx
    movl $MSR_GS_BASE, %ecx
    wrmsr
    movq $boot_stack_top, %rsp
    xorl %ebp, %ebp             /* ends every backtrace */
    call lull_main              /* %rdi: boot_info, from the loader */
    ud2
    .size lull_entry, . - lull_entry

    /* Its guard page is unmapped by stack_guard_boot(). */
    .bss
    .balign 4096
    .globl boot_stack_guard, boot_stack_top
boot_stack_guard:
    .skip 4096
    .skip STACK_PAGES * 4096
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
