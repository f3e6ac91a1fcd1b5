/* SPDX-License-Identifier: BSD-2-Clause */
/* memcpy() and memset() by string instructions: fast on every CPU that has VT-d, and no vector register.
 * newlib's own use stores that bypass the cache and are not ordered with later ones. */
    .text

    .globl memcpy
    .type memcpy, @function
memcpy: /* rdi to, rsi from, rdx bytes */
    mov %rdi, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    mov %edx, %ecx
    and $7, %ecx
    rep movsb
    ret
    .size memcpy, . - memcpy

    .globl memset
    .type memset, @function
memset: /* rdi to, esi byte, rdx bytes */
    mov %rdi, %r8
    movzbl %sil, %eax
    movabs $0x0101010101010101, %rcx
    imul %rcx, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep stosq
    mov %edx, %ecx
    and $7, %ecx
    rep stosb
    mov %r8, %rax
    ret
    .size memset, . - memset

    .section .note.GNU-stack, "", @progbits
