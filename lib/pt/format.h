/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine needs to know of a format. Each format makes one constant of it, which the compiler folds
 * away. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bits that hardware ignores in every format, and what they say here. */
#define PT_SOFT_FLUSHED (1ull << 52) /* a table entry: a line flush has brought it to memory */
#define PT_SOFT_WALKED  (1ull << 53) /* a table entry: it was accessed before the last pass (prune.h) */
#define PT_FROZEN       (1ull << 54) /* not present, and alone: nothing may be installed here (unlink.h) */

#define PT_SOFT_BITS (PT_SOFT_FLUSHED | PT_SOFT_WALKED | PT_FROZEN)

struct pt_format {
    uint64_t accessed;
    uint64_t dirty;
    uint64_t present; /* an entry is present if it has any of these */
    uint64_t large;   /* a leaf at level 1 or 2 has this */
    uint64_t address; /* where a table entry or a leaf points */
    uint64_t (*table)(uint64_t hpa);
    uint64_t (*leaf)(uint64_t hpa, unsigned level, unsigned prot);
    unsigned (*decode)(uint64_t leaf); /* its enum pt_prot */
};
