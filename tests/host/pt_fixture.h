/* SPDX-License-Identifier: BSD-2-Clause */
/* One tree of the x86_64 format for tests of the engine, with a bitmap for its pages. */
#pragma once

#include "lib/pt/pt.h"
#include "lib/units.h"
#include "tests/host/unit.h"

#define BASE  0x100000000ull /* an IOVA aligned for every leaf */
#define HPA   0x40000000ull  /* where leaves go; nothing is read there */
#define WORDS 512

extern struct pt pt;
extern uint64_t words[WORDS];
extern struct dirty_bitmap bitmap; /* of words, from BASE on after tree_make() */

void tree_make(unsigned levels, unsigned leaf_levels, unsigned flags);
void tree_free(void);

int map(uint64_t iova, uint64_t bytes, uint64_t hpa);

/* Unlinks and frees; in *freed (may be NULL) the tables that went. Returns the error. */
int unmap(uint64_t iova, uint64_t bytes, struct dirty_bitmap *dirty, uint64_t *freed);

struct harvest_stats harvest(uint64_t iova, uint64_t bytes, unsigned flags);
unsigned bits_set(void);

/* Runs the tests of a program on an arena of its own. */
int pt_tests_run(const char *name, const struct CMUnitTest *tests, size_t count);
