/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine needs to know of a format. Each format makes one constant of it, which the compiler folds
 * away. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pt_format {
    uint64_t accessed;
    uint64_t dirty;
    uint64_t soft_flushed; /* a table entry: a line flush has brought it to memory */
    uint64_t (*table)(uint64_t hpa);
    uint64_t (*leaf)(uint64_t hpa, unsigned level, unsigned prot);
    bool (*is_present)(uint64_t entry);
    bool (*is_leaf)(uint64_t entry, unsigned level);
    uint64_t (*address)(uint64_t entry);
    unsigned (*prot)(uint64_t entry);
};
