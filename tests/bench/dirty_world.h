/* SPDX-License-Identifier: BSD-2-Clause */
/* What a harvest is measured on: a tree of each engine with the same pages mapped, and a program that plays
 * the hardware, which sets accessed and dirty in them. */
#pragma once

#include "tests/bench/pt_side.h"

/* What one table of leaves translates. */
#define DIRTY_RANGE_LG2   21
#define DIRTY_RANGE_PAGES 512

/* In a range that is touched so many pages are written. */
#define DIRTY_RANGE_WRITTEN 5

enum dirty_engine { DIRTY_OURS, DIRTY_PLAIN, DIRTY_LINUX, DIRTY_ENGINES };

struct dirty_tree {
    const struct pt_side *side; /* NULL where it is not there */
    uint64_t **tables;          /* of leaves, lowest first */
};

struct dirty_world {
    uint64_t bytes; /* mapped from IOVA 0 on, as pages of 4 KiB */
    struct dirty_tree trees[DIRTY_ENGINES];
    uint64_t *written; /* a bit for each page: what the next harvest is to find */
    uint64_t *found;
    uint8_t
        *walked; /* a byte for each range: bit 0 touched before the last pass of ours, bit 1 before that */
    bool lose;   /* a fault on purpose: the last page that is written is not made dirty */
    uint64_t random; /* the state of what chooses pages, the same in each run */
};

/* How one harvest is made. */
struct dirty_pass {
    unsigned flags;   /* enum bench_harvest */
    bool from_memory; /* no table is in a cache; otherwise all that fit are */
};

/* Lets our harvests scan leaves as the hypervisor does on this CPU. Before all else. */
void dirty_choose_scan(void);

/* bytes is a multiple of 1 GiB, or 128 MiB. */
void dirty_world_make(struct dirty_world *world, uint64_t bytes);
void dirty_world_destroy(struct dirty_world *world);

/* Chooses what is written before the next harvest of each engine: so many pages of a thousand, anywhere; or
 * pages of so many ranges, anywhere (far) or side by side (near). */
void dirty_choose_pages(struct dirty_world *world, unsigned per_mille);
void dirty_choose_far(struct dirty_world *world, uint64_t ranges);
void dirty_choose_near(struct dirty_world *world, uint64_t ranges);

/* Lets hardware write, and brings tables and bitmap into caches or out of them. */
void dirty_prepare(struct dirty_world *world, enum dirty_engine engine, bool from_memory);

/* Ends the program if what was found is not what was written. */
void dirty_check(const struct dirty_world *world);

/* Prepares, harvests all, checks; how many nanoseconds the harvest took. */
uint64_t dirty_time(struct dirty_world *world, enum dirty_engine engine, const struct dirty_pass *pass);

/* Leaves every tree clean. */
void dirty_clear(struct dirty_world *world);

/* dirty_time() of ours, where its scan of leaves is the one that every CPU has. */
uint64_t dirty_time_plain_scan(struct dirty_world *world, const struct dirty_pass *pass);

/* The same for reading our tables, and nothing else. */
uint64_t dirty_time_floor(struct dirty_world *world, bool from_memory);

/* The same for reading what a pruned pass of ours looks at, and nothing else: the tables of ranges that were
 * touched since the last pass, or before that one. */
uint64_t dirty_time_walked_floor(struct dirty_world *world, bool from_memory);

/* The same for clearing the dirty bit of every leaf, by locked instructions and nothing else. */
uint64_t dirty_time_locked_floor(struct dirty_world *world, bool from_memory);

/* The same for our harvest by two threads, half of the range each. */
uint64_t dirty_time_threads(struct dirty_world *world, const struct dirty_pass *pass);
