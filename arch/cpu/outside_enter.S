/* SPDX-License-Identifier: BSD-2-Clause */
/* The way to outside code and back. Everything that must survive it lies on the stack, at the place that the
 * caller remembers for outside_failed. */

    .text
    .globl outside_enter
    .type outside_enter, @function
outside_enter: /* rdi function, rsi its argument, rdx root, rcx where to remember the stack */
    pushq %rbp
    movq %rsp, %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %cr3, %rax
    pushq %rax
    movq %rsp, (%rcx)
    movq %rdi, %rax
    movq %rsi, %rcx
    movq %rdx, %cr3
    xorl %edx, %edx
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    subq $32, %rsp              /* the callee's, by that convention */
    call *%rax
    addq $32, %rsp
    movl $1, %eax
leave_outside:
    popq %rcx
    movq %rcx, %cr3
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

    .globl outside_failed
outside_failed:
    xorl %eax, %eax
    jmp leave_outside
    .size outside_enter, . - outside_enter

    .section .note.GNU-stack, "", @progbits
