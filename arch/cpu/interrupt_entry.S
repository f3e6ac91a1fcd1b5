/* SPDX-License-Identifier: BSD-2-Clause */
/* One stub for each vector; all end in interrupt_dispatch(). Registers are pushed as struct trap_frame has
 * them. */

#define TRAP_FRAME_RIP 136

    .text

    /* Each stub takes 16 bytes: interrupt.c finds that of vector n at interrupt_stubs + 16 * n. The
     * exceptions in the mask push an error code themselves (SDM volume 3, 6.15; 29 and 30 are AMD's). */
    .balign 16
    .globl interrupt_stubs
    .type interrupt_stubs, @function
interrupt_stubs:
    .set vector, 0
    .rept 256
    .balign 16, 0xcc
    .if vector >= 32
    pushq $0
    .elseif !((0x60227d00 >> vector) & 1)
    pushq $0
    .endif
    pushq $vector
    jmp interrupt_common
    .set vector, vector + 1
    .endr
    .size interrupt_stubs, . - interrupt_stubs

    .type interrupt_common, @function
interrupt_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    /* A stack frame as a call from the interrupted instruction would have made it: a backtrace goes on
     * through here. */
    pushq TRAP_FRAME_RIP(%rsp)
    pushq %rbp
    movq %rsp, %rbp
    call interrupt_dispatch
    addq $16, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp              /* vector and error code */
    iretq
    .size interrupt_common, . - interrupt_common

    .section .note.GNU-stack, "", @progbits
