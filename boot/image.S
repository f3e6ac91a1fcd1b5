/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's image (IMAGE is its file's name). */
    .section .rodata
    .balign 4096
    .globl lull_image, lull_image_end
lull_image:
    .incbin IMAGE
lull_image_end:

    .section .note.GNU-stack, "", @progbits
