/* SPDX-License-Identifier: BSD-2-Clause */
/* A CPU's first steps after INIT and SIPI: real mode at the start of some page below 1 MiB (CS:IP is
 * page >> 4 : 0), and from there straight into long mode. It is data here: CPU 0 copies it, and runs none. */
#include "arch/cpu/ap_start.h"
#include "arch/cpu/registers.h"

    .section .rodata.ap_start, "a", @progbits
    .code16
    .globl ap_start_begin
ap_start_begin:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl AP_GDTR
    movl AP_CR4, %eax           /* with PAE, and LA57 as CPU 0 has it: both must be set before paging is */
    movl %eax, %cr4
    movl AP_CR3, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx        /* NXE too: the tables have the NX bit, which is reserved without it */
    rdmsr
    orl $(EFER_LME | EFER_NXE), %eax
    wrmsr
    movl $CR0_LULL, %eax        /* protection and paging at once is a legal step into long mode */
    movl %eax, %cr0
    ljmpl *AP_LONG_MODE

    .code64
    .globl ap_start_long_mode
ap_start_long_mode:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    leaq ap_start_begin(%rip), %rbx
    movl $MSR_GS_BASE, %ecx
    movl AP_CPU(%rbx), %eax
    movl (AP_CPU + 4)(%rbx), %edx
    wrmsr
    movq AP_STACK_TOP(%rbx), %rsp
    movq AP_CPU(%rbx), %rdi
    xorl %ebp, %ebp
    pushq $0                    /* no address to return to; aligns the stack as a call does */
    jmpq *AP_ENTRY(%rbx)
    .globl ap_start_end
ap_start_end:

    .section .note.GNU-stack, "", @progbits
