/* SPDX-License-Identifier: BSD-2-Clause */
/* A tracker with two sources that are told what to find, and when to fail; and a VM's memory of one word. */
#pragma once

#include "lib/error.h"
#include "lib/tracker.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define GIBS  4u
#define LAST  (GIBS * GIB - 1)
#define WORDS (GIBS * GIB / PAGE_SIZE / 64)

enum fake_op { START, STOP, PASS, SPLIT, MERGE, REDIRECT, OPS };

/* A source that does what a test says, and says what it was told. */
struct fake_source {
    struct tracker_source source;
    int fail[OPS];                 /* each call of this op returns this */
    struct dirty_bitmap *unmapped; /* NULL: it does not track */
    unsigned level;
    unsigned flags;                 /* of its last pass */
    uint64_t first, last;           /* of its last pass, split or merge */
    uint64_t fails_at;              /* each pass over this address fails; 0: none */
    uint64_t finds;                 /* an address that the next pass over it reports, once; 0: none */
    uint64_t marks_when_redirected; /* the same, by an unmap at the last moment */
    uint64_t pruned;                /* what it says of each pass, */
    uint64_t leaving;
};

extern const struct tracker_source_ops fake_source_ops;

/* The tracker "vm" of [0, LAST], and its sources "a" and "b". */
extern struct tracker *tracker;
extern struct fake_source source_a, source_b;

/* The calls of both in their order: "start a, split a, ...". */
extern char source_calls[1024];

/* Passes' reports; they are all of report_words. */
extern uint64_t report_words[WORDS + 4096];
extern struct dirty_bitmap report;

/* The VM's memory, and the newest write to it; error is what a write returns. pass_before_write: a pass comes
 * just before the next one lands. */
extern struct guest_memory {
    uint64_t word;
    uint64_t gpa;
    size_t bytes;
    unsigned writes;
    int error;
    bool pass_before_write;
} guest_memory;

extern unsigned parts_run;

/* Lines of the log that have this text. */
unsigned lines_with(const char *text);

/* For each test. */
int tracker_setup(void **state);
int tracker_teardown(void **state);

/* Another tracker, whose passes are cut into parts, which run with the last one first; 0: in one. Or NULL. */
struct tracker *tracker_make(const char *name, unsigned parts);

/* Starts it with leaves of 4 KiB; what was called for that is forgotten. */
void tracker_begin(enum tracker_first first);

/* Runs a pass into an empty report, and returns how many pages it has. */
uint64_t pages_of_pass(void);
bool is_reported(uint64_t gpa);

int fake_source_pass(struct tracker_source *source, uint64_t first, uint64_t last,
                     struct dirty_bitmap *bitmap, unsigned flags, struct harvest_stats *stats);

#define TRACKER_TEST(name) cmocka_unit_test_setup_teardown(name, tracker_setup, tracker_teardown)
