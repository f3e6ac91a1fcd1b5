/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzz targets share: a check that ends the program, and bytes that decide things. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's entry points. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#define check(condition)                                                                                     \
    ((condition)                                                                                             \
         ? (void)0                                                                                           \
         : (printf("%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition), fflush(stdout), abort()))

/* What is left of an input. When it ends every answer is 0. */
struct input {
    const uint8_t *bytes;
    size_t left;
};

static inline uint8_t input_byte(struct input *input)
{
    if (!input->left)
        return 0;
    input->left--;
    return *input->bytes++;
}
