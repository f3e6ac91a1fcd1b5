/* SPDX-License-Identifier: BSD-2-Clause */
/* What the link script defines, and the table of functions that the build makes for backtraces. */
#pragma once

#include <stdint.h>

/* The image and its sections, page-aligned, at IMAGE_BASE and up. */
extern const char image_start[], image_end[];
extern const char image_text_start[], image_text_end[];

struct image_symbol {
    uint64_t address;
    const char *name;
};

/* Functions by rising address. Empty (count 0) in the first of the build's two link passes. */
extern const struct image_symbol image_symbols[];
extern const uint32_t image_symbol_count;
