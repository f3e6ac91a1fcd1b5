/* SPDX-License-Identifier: BSD-2-Clause */
/* A tree as hardware sees it: a walker of its own that knows nothing of lib/pt's formats, for tests to play a
 * device with. */
#pragma once

#include "lib/pt/pt.h"
#include <stdbool.h>
#include <stdint.h>

/* Where the walker reads tables: the arena, or the copy of it that holds only what was flushed to memory. */
struct tree_view {
    uint64_t *(*at)(uint64_t hpa);
};

extern const struct tree_view tree_through_cache;
extern const struct tree_view tree_in_memory;

/* Begins to keep a copy of the arena that platform_cache_flush() alone brings up to date (bytes as
 * host_memory_init() had). */
void tree_watch_flushes(uint64_t bytes);

/* Brings one line of the arena to memory, as a cache may at any time. */
void tree_evict(const void *address);

/* address is one of the arena, which is all that tables may lie in. */
bool tree_in_arena(const volatile void *address);

/* Called before and after each flush; NULL for nothing. */
void tree_watch_each_flush(void (*hook)(void));

/* A format, written down a second time. */
struct tree_format {
    const struct pt_ops *ops;
    uint64_t present; /* any of these */
    uint64_t write;
    uint64_t accessed;
    uint64_t dirty;
    uint64_t reserved_table; /* what must be 0 in an entry that points to a table */
    uint64_t reserved_leaf;
};

#define TREE_FORMATS 3
extern const struct tree_format tree_formats[TREE_FORMATS]; /* x86_64, vtdss, ept */

const struct tree_format *tree_format_of(const struct pt_ops *ops);

/* The leaf that a walker comes to. */
struct tree_leaf {
    uint64_t hpa; /* of the address, not of the leaf */
    uint64_t *slot;
    uint64_t entry;
    unsigned level;
};

/* Goes down from table, at level. False where nothing is present. A reserved bit, or a table that is no
 * allocated page, ends the run. Sets nothing. */
bool tree_find_from(const struct tree_format *format, const struct tree_view *view, uint64_t table_hpa,
                    unsigned level, uint64_t iova, struct tree_leaf *leaf);
bool tree_find(const struct tree_format *format, const struct tree_view *view, const struct pt *pt,
               uint64_t iova, struct tree_leaf *leaf);

/* Translates as a walker does and sets accessed and, for a write, dirty, as it goes, atomically. False if not
 * present or not allowed. */
bool tree_access_from(const struct tree_format *format, const struct tree_view *view, uint64_t table_hpa,
                      unsigned level, uint64_t iova, bool write, uint64_t *hpa);
bool tree_access_as(const struct tree_format *format, const struct tree_view *view, const struct pt *pt,
                    uint64_t iova, bool write, uint64_t *hpa);

/* The same in the x86_64 format. */
bool tree_access(const struct tree_view *view, const struct pt *pt, uint64_t iova, bool write, uint64_t *hpa);
