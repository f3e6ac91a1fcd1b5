/* SPDX-License-Identifier: BSD-2-Clause */
/* Coroutines: void coroutine_switch(void **saved_sp, void *sp) saves what a call preserves and goes on where
 * sp was saved. */
    .text
    .globl coroutine_switch
    .type coroutine_switch, @function
coroutine_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size coroutine_switch, . - coroutine_switch
    .section .note.GNU-stack, "", @progbits
