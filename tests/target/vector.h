/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in the vector registers around a call. */
#pragma once

#include <stdint.h>

#define VECTORS 16

struct vectors {
    unsigned char bytes[VECTORS][32];
};

#define VECTOR_LOAD(n)  "vmovdqu " #n "*32(%[values]), %%ymm" #n "\n\t"
#define VECTOR_STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%[values])\n\t"
#define VECTOR_ALL(x)   x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15)

/* Calls function(table, mask) with values in the registers, and puts what they have afterwards in its place.
 * For CPUs with AVX. The stack's red zone is not the callee's, so it is left alone. */
static inline uint64_t vectors_around(struct vectors *values,
                                      uint64_t (*function)(const uint64_t *table, uint64_t mask),
                                      const uint64_t *table, uint64_t mask)
{
    uint64_t result;

    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t" /* */
                     "pushq %%rbp\n\t"
                     "movq %%rsp, %%rbp\n\t"
                     "andq $-16, %%rsp\n\t" VECTOR_ALL(VECTOR_LOAD) "callq *%[function]\n\t" VECTOR_ALL(
                         VECTOR_STORE) "movq %%rbp, %%rsp\n\t"
                                       "popq %%rbp\n\t"
                                       "leaq 128(%%rsp), %%rsp"
                     : "=a"(result), "+D"(table), "+S"(mask)
                     : [values] "b"(values), [function] "r"(function)
                     : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}
