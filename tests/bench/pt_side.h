/* SPDX-License-Identifier: BSD-2-Clause */
/* What is measured of a page-table engine. pt_side.c has the loops, and is compiled once for each engine. */
#pragma once

#include "tests/bench/base.h"

enum bench_format { BENCH_VTDSS, BENCH_X86_64, BENCH_EPT, BENCH_FORMATS };

#define BENCH_NO_HPA (~(uint64_t)0)

/* Where IOVA 0 goes. Nothing is read there. */
#define BENCH_HPA ((uint64_t)1 << 40)

/* How the dirty bits of a range are read. */
enum bench_harvest {
    BENCH_KEEP = 1,  /* they are not cleared */
    BENCH_PRUNE = 2, /* what was not walked since the last pass is not looked at; only ours can */
};

/* The same thing done calls times: [iova + i * stride, + bytes) goes to BENCH_HPA + iova + i * stride. */
struct pt_work {
    const char *name;
    uint64_t iova;
    uint64_t bytes;
    uint64_t stride;
    unsigned calls;
    /* So many pages from neighbour on, 2 MiB apart, are mapped all the time, so that the tables that they lie
     * in stay. */
    unsigned neighbours;
    uint64_t neighbour;
    bool large;       /* leaves of 2 MiB and 1 GiB are allowed */
    bool first;       /* in a tree that is new each time */
    unsigned samples; /* in one run */
};

/* One engine, with one tree at a time: 4 levels, 48 bits, walks that snoop. Times are nanoseconds. */
struct pt_side {
    bool (*make)(enum bench_format format, bool large); /* false if it has no such format */
    void (*destroy)(void);
    uint64_t (*map)(const struct pt_work *work);
    uint64_t (*unmap)(const struct pt_work *work);
    void (*map_neighbours)(const struct pt_work *work);
    void (*unmap_neighbours)(const struct pt_work *work);
    /* n lookups; and the same where each needs the one before. */
    uint64_t (*lookup)(const uint64_t *iovas, unsigned n);
    uint64_t (*lookup_chained)(const uint64_t *iovas, unsigned n);
    uint64_t (*find)(uint64_t iova); /* BENCH_NO_HPA if nothing is mapped there */
    /* Sets bit n of words for each dirty page n of [iova, iova + bytes); flags are enum bench_harvest. */
    uint64_t (*harvest)(uint64_t iova, uint64_t bytes, uint64_t *words, unsigned flags);
    uint64_t *(*slot)(uint64_t iova, unsigned level); /* the entry on iova's way, where there is one */
};

extern const struct pt_side pt_ours, pt_plain;

/* Linux's; not there in every program. */
extern const struct pt_side pt_linux __attribute__((weak));
