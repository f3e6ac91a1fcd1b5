/* SPDX-License-Identifier: BSD-2-Clause */
/* What a tracker is made of, for its own files: tracker.c (its life and its sources), tracker_pass.c
 * (passes), tracker_mark.c (marks, and the bitmap that they go to).
 *
 * `pending` has every page that waits to be reported. Three kinds of callers mark in it: passes of sources,
 * sources' unmaps (through the pointer that start() or redirect() gave them), and tracker_mark(). The last
 * kind finds it by RCU and comes at any time; so pending changes (start, stop, resize) like this:
 *
 *   the new one is published; a grace period; the sources are redirected; then the old one is read and freed.
 *
 * After the grace period no tracker_mark() has the old one, after redirect() no unmap, and passes there are
 * none, since whoever changes the tracker is alone (`busy`). So nobody marks in the old bitmap when it is
 * added to the new one, and every mark is in the new one when the next pass begins.
 *
 * A pass takes pages out word by word by atomic exchange. Marks come after what they stand for was written,
 * by a locked instruction: so who takes a mark, and copies the page then, copies what was written; and a mark
 * that comes after the exchange is the next pass's. That a page is marked already is no reason to leave the
 * locked instruction out: the load that found it marked could be done before the write is in memory, and the
 * exchange and the copy in between. */
#pragma once

#include "lib/spinlock.h"
#include "lib/tracker.h"
#include "lib/tracker_bitmap.h"

/* A pass is cut at multiples of this, so that table entries up to 1 GiB lie in one part as a whole: an entry
 * that does not can be neither pruned nor cleared. */
#define TRACKER_CUT GIB

/* What one part of a pass came to: its CPU's alone until all have ended. */
struct tracker_part {
    struct harvest_stats found;
    uint64_t reported;
    int error;                           /* the first one, */
    const struct tracker_source *failed; /* and whose it is */
};

struct tracker {
    struct tracker_config config;
    struct list link;         /* on the list of all trackers, under its lock, as the next one */
    struct tracker_info info; /* written by who is busy */
    uint32_t busy;            /* atomic: somebody changes the tracker; all but what says atomic is theirs */
    uint64_t last;
    struct list sources;
    unsigned level;
    enum tracker_first first;
    bool whole_next;                /* the next pass must look at everything */
    unsigned pruned_passes;         /* that succeeded, ever: says which share the next one audits */
    struct tracker_bitmap *pending; /* RCU; NULL while nothing is tracked */
    uint64_t marked;                /* atomic: pages, since the pass before */
    uint64_t since_ns;              /* when the last pass that did not fail ended, or tracking began */
    struct tracker_part *parts;     /* config.parts of them */
    unsigned flags;                 /* of the pass that runs, for its parts; as the next one */
    struct dirty_bitmap *report;
};

/* Makes the caller the one who changes the tracker; false if there is one. */
bool tracker_enter(struct tracker *tracker) MUST_CHECK;
void tracker_leave(struct tracker *tracker);

/* Fills in info but for what passes came to. By who is busy. */
void tracker_update_info(struct tracker *tracker);
void tracker_update_passes(struct tracker *tracker, const struct tracker_pass *pass);

/* 0 if a tracker can cover [0, last]; ERR_INVALID, ERR_RANGE. */
int tracker_check_last(uint64_t last) MUST_CHECK;

/* Publishes another pending bitmap, or NULL, and returns the one before once no tracker_mark() has it. */
struct tracker_bitmap *tracker_publish(struct tracker *tracker, struct tracker_bitmap *bitmap);

/* One look at all that the sources have, in parts; found pages are pending then. Fills in what *pass says of
 * that: what was found is added, and if it failed who did is there. The error of that one. */
int tracker_look(struct tracker *tracker, unsigned flags, struct tracker_pass *pass) MUST_CHECK;

/* Says that a source's pass() over a range has failed. */
void tracker_log_failure(const struct tracker *tracker, const char *source, uint64_t first, uint64_t last,
                         int error);
