/* SPDX-License-Identifier: BSD-2-Clause */
/* The accesses of probe.h. A page fault at probe_*_at goes on at probe_failed. */

    .text
    .globl probe_read
    .type probe_read, @function
probe_read:
    .globl probe_read_at
probe_read_at:
    movb (%rdi), %al
    movl $1, %eax
    ret
    .size probe_read, . - probe_read

    .globl probe_write
    .type probe_write, @function
probe_write:
    .globl probe_write_at
probe_write_at:
    lock orb $0, (%rdi)         /* a write that changes nothing, also when another CPU writes there */
    movl $1, %eax
    ret
    .size probe_write, . - probe_write

    .globl probe_failed
    .type probe_failed, @function
probe_failed:
    xorl %eax, %eax
    ret
    .size probe_failed, . - probe_failed

    .section .note.GNU-stack, "", @progbits
