/* SPDX-License-Identifier: BSD-2-Clause */
/* What CPU 0 puts into the page below 1 MiB from which the other CPUs start: code at its beginning,
 * parameters behind it. */
#pragma once

/* Offsets in the page, for ap_start.S; smp.c asserts that they are those of struct ap_parameters. */
#define AP_PARAMETERS 0x800
#define AP_GDT        (AP_PARAMETERS + 0)
#define AP_STACK_TOP  (AP_PARAMETERS + 24)
#define AP_CPU        (AP_PARAMETERS + 32)
#define AP_ENTRY      (AP_PARAMETERS + 40)
#define AP_CR3        (AP_PARAMETERS + 48)
#define AP_CR4        (AP_PARAMETERS + 52)
#define AP_LONG_MODE  (AP_PARAMETERS + 56)
#define AP_GDTR       (AP_PARAMETERS + 64)

#ifndef __ASSEMBLER__
#include <stdint.h>

struct ap_parameters {
    uint64_t gdt[3];
    uint64_t stack_top;
    uint64_t cpu;   /* its struct cpu */
    uint64_t entry; /* its first function in C, which gets cpu */
    uint32_t cr3;
    uint32_t cr4;
    uint32_t long_mode; /* far pointer to the 64-bit code: where it is in the page, as a linear address */
    uint32_t long_mode_selector;
    uint16_t gdtr_limit;
    uint16_t gdtr_base[2]; /* not aligned, as lgdt wants it */
};

/* The code, to be copied; ap_start_long_mode is its 64-bit part. */
extern const char ap_start_begin[], ap_start_long_mode[], ap_start_end[];
#endif
