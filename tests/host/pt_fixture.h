/* SPDX-License-Identifier: BSD-2-Clause */
/* One tree of any format and level count for tests of the engine, with a bitmap for its pages. */
#pragma once

#include "lib/pt/pt.h"
#include "lib/units.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"

#define BASE  0x100000000ull /* an IOVA aligned for every leaf */
#define HPA   0x40000000ull  /* where leaves go; nothing is read there */
#define WORDS 512

/* What kind of tree the tests are about; pt_tests_run() goes through all of them. */
extern const struct pt_ops *ops;
extern const struct tree_format *format;
extern unsigned levels;

extern struct pt pt;
extern uint64_t words[WORDS];
extern struct dirty_bitmap bitmap; /* of words, from BASE on after tree_make() */

void tree_make(unsigned leaf_levels, unsigned flags);
void tree_free(void);

int map_as(uint64_t iova, uint64_t bytes, uint64_t hpa, unsigned prot);
int map(uint64_t iova, uint64_t bytes, uint64_t hpa);

/* Plays agents that have nothing cached: goes through a gather's states. Returns the tables that went. */
uint64_t settle(struct gather *gather, struct dirty_bitmap *dirty);

/* The same after a merge, with hand_back(). */
uint64_t settle_merge(struct gather *gather);

/* What follows an unlink of [iova, last], until no table above is empty. Returns how many tables went. */
uint64_t settle_unmap(uint64_t iova, uint64_t last, struct gather *gather, struct dirty_bitmap *dirty);

/* Unlinks and frees; in *freed (may be NULL) the tables that went. Returns the error. */
int unmap(uint64_t iova, uint64_t bytes, struct dirty_bitmap *dirty, uint64_t *freed);

struct harvest_stats harvest(uint64_t iova, uint64_t bytes, unsigned flags);
unsigned bits_set(void);

/* A device reads or writes a page that it may. */
void device_access(uint64_t iova, bool write);
bool device_sees(uint64_t iova, uint64_t *hpa);

/* The entry at level on the way to iova, where there are tables down to it. */
uint64_t *slot_at(uint64_t iova, unsigned level);

/* A device that has the table of level 0 cached writes by that: it sets dirty, and accessed nowhere above. */
void write_by_cached_table(uint64_t iova);

/* The level of the leaf at iova. */
unsigned level_at(uint64_t iova);
bool dirty_at(uint64_t iova);

/* Pages that are allocated now; those of detached tables included until they are freed. */
uint64_t pages_used(void);

/* Runs the tests of a program, on an arena of its own, for each format and level count; and for one format
 * only. */
int pt_tests_run(const char *name, const struct CMUnitTest *tests, size_t count);
int pt_tests_run_for(const struct pt_ops *of, const char *name, const struct CMUnitTest *tests, size_t count);
