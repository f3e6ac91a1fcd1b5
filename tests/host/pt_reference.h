/* SPDX-License-Identifier: BSD-2-Clause */
/* The plain reference that the engine is held against: for each page of a few windows where it goes, in a
 * leaf of which level, and whether that leaf is dirty; and how many tables that takes. */
#pragma once

#include "lib/pt/pt.h"
#include "lib/units.h"
#include <stdbool.h>
#include <stdint.h>

#define REF_TABLE_PAGES 512u
#define REF_MAIN_PAGES  (262144u + 4 * REF_TABLE_PAGES) /* 1 GiB, and 4 MiB on both sides of it */
#define REF_SIDE_PAGES  (2 * REF_TABLE_PAGES)
#define REF_PAGES       (REF_MAIN_PAGES + 2 * REF_SIDE_PAGES)
#define REF_NONE        0xff

/* Pages are numbered through the windows: across the highest boundary that the tables have (a table of each
 * level ends there) with 1 GiB after it; the first addresses of all; the last. */
enum ref_window { REF_MAIN, REF_LOW, REF_HIGH, REF_WINDOWS };

struct ref {
    uint64_t hpa[REF_PAGES];
    uint8_t level[REF_PAGES]; /* of the leaf, or REF_NONE */
    uint8_t prot[REF_PAGES];
    bool dirty[REF_PAGES];
    uint64_t tables; /* that a tree needs for it */
    unsigned levels;
};

extern struct ref ref;

void ref_init(unsigned level_count);

unsigned ref_first(enum ref_window window);
unsigned ref_count(enum ref_window window);
uint64_t ref_iova(unsigned page);

/* The first page of the leaf that page lies in, and how many pages it has. */
unsigned ref_leaf_first(unsigned page);
unsigned ref_leaf_pages(unsigned page);

bool ref_is_empty(unsigned first, unsigned count);

void ref_add_leaf(unsigned first, unsigned level, uint64_t hpa, unsigned prot, bool dirty);
void ref_remove_leaf(unsigned page);
void ref_set_dirty(unsigned page, bool dirty);

/* Makes smaller leaves, by one level, of the one that page lies in. */
void ref_split(unsigned page);

/* Splits until no leaf reaches across the begin of page. */
void ref_cut(unsigned page);

/* Makes one leaf at level of those that begin at page, if they allow it. */
void ref_merge(unsigned page, unsigned level);
