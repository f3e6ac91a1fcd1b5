/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that are watched while an operation changes a tree: what hardware that walks comes to. */
#pragma once

#include "lib/pt/pt.h"
#include "tests/host/tree.h"
#include <stdbool.h>
#include <stdint.h>

#define BELOW   1024u /* pages below the boundary between two entries of the root; 1 GiB is above it */
#define PAGES   (BELOW + 262144u)
#define WATCHED 12u

/* Where a walker comes to. */
struct sight {
    bool present;
    bool write;
    uint64_t hpa;
};

struct watched {
    unsigned page;
    struct sight before;
    struct sight after;
    bool changed;                  /* has been seen as after */
    uint64_t table[PT_LEVELS_MAX]; /* that a unit may have cached: 0 where there is none */
    bool was_dirty;                /* before the operation */
};

extern struct watched watched[WATCHED];

uint64_t iova_at(unsigned page);

bool sight_same(struct sight a, struct sight b);
struct sight sight_of(const struct tree_view *view, unsigned page);

/* Remembers the tables on the way to a page, as a unit's cache does. */
void watched_cache(struct watched *at);

/* True if hardware may come to the table that an entry lies in. */
bool watched_is_linked(const volatile uint64_t *entry);

/* The page is seen as before or, from some moment on, as after: from the root; from the table at level that a
 * unit had cached; and from the root in memory. */
bool watched_is_legal(struct watched *at, unsigned level);
