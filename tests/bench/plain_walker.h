/* SPDX-License-Identifier: BSD-2-Clause */
/* The page tables of a textbook: recursive, for one caller at a time, with the entries of VT-d's second
 * stage. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct plain_walker {
    uint64_t *root;
    bool large; /* leaves of 2 MiB and 1 GiB are allowed */
};

void plain_init(struct plain_walker *walker, bool large);

/* The tree is empty. */
void plain_destroy(struct plain_walker *walker);

/* Maps with the largest leaves that fit. ERR_EXISTS, ERR_NOMEM. */
int plain_map(struct plain_walker *walker, uint64_t iova, uint64_t last, uint64_t hpa);

/* Splits leaves that reach beyond the range, and frees tables that became empty, at once. */
void plain_unmap(struct plain_walker *walker, uint64_t iova, uint64_t last);

/* Sets bit n of words for each dirty page n of [iova, last], and unless keep clears what says so. */
void plain_harvest(struct plain_walker *walker, uint64_t iova, uint64_t last, uint64_t *words, bool keep);

/* BENCH_NO_HPA if there is nothing. */
uint64_t plain_lookup(const struct plain_walker *walker, uint64_t iova);
