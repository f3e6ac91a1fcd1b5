/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages of a VM were written, by whomever: sources (a domain's devices, later the CPUs' tables), and
 * what the hypervisor itself writes, all in one bitmap that is handed out pass by pass.
 *
 * A tracker covers the guest-physical addresses [0, last] of one VM. It knows its sources by their ops alone.
 * What it promises, from when tracker_start() has returned: every write that is over before a pass begins is
 * in the report of this pass or of one before it, if that pass succeeds. A report comes after everybody was
 * made to set dirty bits anew, so what is copied then is newer than what was reported. What an unmap or a
 * merge that is under way has taken out is in the report of the next pass after it has returned (a pass says
 * whether any was: found.leaving); tracker_finish() goes on until none is. A pass that fails reports nothing
 * and loses nothing: its pages are in the report of the next one that succeeds. Too much may be reported, too
 * little never.
 *
 * How a VM's memory is copied while it runs (docs/embedding.md has it as a program):
 *
 *   tracker_start(TRACKER_ALL_DIRTY); again and again: tracker_pass(), copy what is reported; when that is
 *   little: stop the VM and drain its devices; tracker_finish(), copy; tracker_stop().
 *
 * Maps and unmaps go on meanwhile, but not while leaves are split or merged: with a level below
 * PT_LEAF_LEVEL_MAX nobody maps or unmaps what is covered during tracker_start() and tracker_stop(), nor, in
 * a tracker that tracks, while a source is added or removed, or in what is new while it is resized.
 *
 * Functions that change a tracker (all but those of which it is said) are called by one CPU at a time; a
 * second one gets ERR_BUSY and has changed nothing. All are called outside RCU read sections and interrupt
 * handlers, and may wait: for hardware, or for a grace period. */
#pragma once

#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/pt/pt.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACKER_NAME_MAX 16

struct tracker;
struct tracker_source;

/* What a source is to do. All are called by the tracker alone, one after another, but pass(): that runs on
 * several CPUs at once, on ranges that do not overlap. Ranges may reach beyond what the source can have. The
 * first four return 0 or an error of lib/error.h; the log has said what is the matter. */
struct tracker_source_ops {
    /* From when this returns 0 every write through the source will be found by a pass, or be marked in
     * unmapped when what it was written through goes (unmaps, maps that are taken back). Such a mark comes
     * when nobody can write any more through what goes, so after the invalidation: a pass beside it that took
     * an earlier one would have its caller copy what is written still. Leaves that are made from now on are
     * of this level (0 to PT_LEAF_LEVEL_MAX) at most. What was written before may be found as well. After an
     * error the source is as it was. */
    int (*start)(struct tracker_source *source, unsigned level, struct dirty_bitmap *unmapped);

    /* The source tracks nothing more, and nobody writes to unmapped, when this returns, with whatever
     * result. */
    int (*stop)(struct tracker_source *source);

    /* Marks in bitmap all that was written in [first, last] since the pass before, and returns after whatever
     * keeps writes from being noticed again (cached translations) has gone. flags: 0; or HARVEST_PRUNED(),
     * what certainly was not touched may be skipped. An error: that was not confirmed; the bitmap has what
     * was found, writes to it may go unnoticed until the next pass of this range, and none else may. Adds to
     * *stats; leaving: what unmaps or merges beside it have taken out, and not told yet. */
    int (*pass)(struct tracker_source *source, uint64_t first, uint64_t last, struct dirty_bitmap *bitmap,
                unsigned flags, struct harvest_stats *stats);

    /* Splits what is mapped in [first, last] until no leaf is above level; what was made so far is no harm
     * when it fails. Nobody maps or unmaps there meanwhile, as in the next one. */
    int (*split)(struct tracker_source *source, uint64_t first, uint64_t last, unsigned level);

    /* The opposite, as far as the mapping allows. */
    int (*merge)(struct tracker_source *source, uint64_t first, uint64_t last);

    /* A start() that has succeeded is to mark in this bitmap instead. When it returns nobody writes to the
     * one before. */
    void (*redirect)(struct tracker_source *source, struct dirty_bitmap *unmapped);
};

/* Its owner's; stays where it is while it is a tracker's. */
struct tracker_source {
    const char *name; /* for people */
    const struct tracker_source_ops *ops;
    bool guesses; /* each pass reports all that may have been written: none ever finds nothing */
    struct list link;
};

/* How a VM's tracker works. */
struct tracker_config {
    const char *name; /* copied, and cut to TRACKER_NAME_MAX - 1 bytes */
    uint64_t last;    /* the VM's last guest-physical address */

    /* Writes bytes (not 0) of data into the VM's memory at gpa, all within one page: tracker_write() calls it
     * in a read section, so it does not wait. ERR_NOT_FOUND: no memory is there. NULL where nobody calls
     * that. */
    int (*write)(void *context, uint64_t gpa, const void *data, size_t bytes);
    void *context;

    /* Calls part(argument, n) once for each n below parts, on as many CPUs as have time for it, and returns
     * when all calls have returned. NULL: this CPU does it, one after the other. */
    void (*run)(unsigned parts, void (*part)(void *argument, unsigned n), void *argument);

    unsigned parts; /* to cut a pass into, at most; 0 is as 1. A few for each CPU, since they differ */
};

/* A tracker of which nothing is tracked. NULL and *error: ERR_INVALID: last is not a page's last address;
 * ERR_RANGE: beyond what a bitmap can cover (32 TiB); ERR_EXISTS: there is one of that name; ERR_NOMEM. */
struct tracker *tracker_create(const struct tracker_config *config, int *error) MUST_CHECK;

/* Lets go of its sources and frees it. Nobody else has it any more. ERR_BUSY: it tracks, or is at work. */
int tracker_destroy(struct tracker *tracker) MUST_CHECK;

/* Adds a source, which is tracked too from now on if the tracker tracks: a device or a domain comes.
 * ERR_EXISTS: it is there already; ERR_BUSY; and the errors of start() and split(): it is not added. */
int tracker_add_source(struct tracker *tracker, struct tracker_source *source) MUST_CHECK;

/* Takes a source away; what was written through it until now is reported still. Every page counts as written
 * when unmaps or merges are under way in it. When it has failed the source is away all the same, and every
 * page counts as written too. ERR_NOT_FOUND: it was not the tracker's; ERR_BUSY:
 * it still is; the errors of pass(), stop() and merge(). */
int tracker_remove_source(struct tracker *tracker, struct tracker_source *source) MUST_CHECK;

enum tracker_first {
    TRACKER_NONE_DIRTY, /* reports have what is written from now on: its caller copies all of it next */
    TRACKER_ALL_DIRTY,  /* the first report has every page, for a loop that copies reports alone */
};

/* Starts every source, and splits what is mapped until no leaf is above level (a leaf has one dirty bit,
 * whatever its size); PT_LEAF_LEVEL_MAX leaves all as it is. When it fails nothing is tracked, and leaves may
 * be smaller than they were. ERR_INVALID: it tracks already, or there is no such level; ERR_BUSY; ERR_NOMEM;
 * and the errors of the sources. */
int tracker_start(struct tracker *tracker, unsigned level, enum tracker_first first) MUST_CHECK;

/* Stops every source, and where tracker_start() split, merges all that fits, also what was small before.
 * Nothing is tracked when it returns, unless it was ERR_BUSY, or ERR_INVALID: nothing was. Otherwise the
 * first error of a source, after everything was tried. */
int tracker_stop(struct tracker *tracker) MUST_CHECK;

enum tracker_pass_flags {
    TRACKER_WHOLE = 1, /* looks at everything */
};

/* What a pass came to. */
struct tracker_pass {
    uint64_t number;               /* from 1, since tracker_start(); those that failed too */
    bool whole;                    /* nothing was to be skipped */
    int error;                     /* 0, or why it failed: what a source's pass() returned, */
    char failed[TRACKER_NAME_MAX]; /* which one's (its name, cut; "": none), */
    uint64_t failed_first;         /* and of which range. If several failed it is the first of those that */
    uint64_t failed_last;          /* failed in the lowest part */
    unsigned sources;              /* looked at */
    bool guessed;                  /* one of them reports more than was written, always */
    struct harvest_stats found;    /* in all of them together; its times are those of CPUs side by side */
    uint64_t marked;      /* pages that tracker_mark() and tracker_write() marked since the pass before */
    uint64_t reported;    /* pages */
    uint64_t carried;     /* pages that wait for the next pass, since this one failed */
    uint64_t ns;          /* from its beginning to its end */
    uint64_t pages_per_s; /* reported, in the time since the last one that did not fail ended */
};

/* One pass over all sources. Adds its pages to report: bit n is page n, as KVM's; it begins at address 0, and
 * has room for as much as the tracker covers. What it held stays. flags: enum tracker_pass_flags. *pass (may
 * be NULL) is filled in, also when it fails. ERR_INVALID: nothing is tracked, report is too small, or flags;
 * ERR_BUSY; the errors of the sources: report is as it was, and the pages come with the next pass. The log
 * says which source failed, and where; of passes that fail alike one after another only the first time. */
int tracker_pass(struct tracker *tracker, struct dirty_bitmap *report, unsigned flags,
                 struct tracker_pass *pass) MUST_CHECK;

/* For when writers have stopped and are drained: whole passes, until one finds nothing any more, or there is
 * a source that guesses, and one has succeeded; and no unmap or merge was beside it (pass->found.leaving). A
 * pass that fails is tried again. *pass (may be NULL) is the last one. ERR_TIMEOUT: pages were reported still
 * after timeout_ns, so somebody writes, or there was an unmap under way at the end of each pass; the errors
 * of tracker_pass(): the last one failed. report has what was found until then. */
int tracker_finish(struct tracker *tracker, struct dirty_bitmap *report, uint64_t timeout_ns,
                   struct tracker_pass *pass) MUST_CHECK;

/* The VM has grown or shrunk: from now on [0, last] is covered. What waits to be reported below both ends
 * stays; what is covered newly is reported as tracker_start() was told to for all; what is not any more is
 * forgotten, and stays in the parts that it was split into. ERR_INVALID, ERR_RANGE as tracker_create();
 * ERR_BUSY; ERR_NOMEM; the errors of split(): nothing changed, but leaves of what was to be covered newly may
 * be smaller. */
int tracker_resize(struct tracker *tracker, uint64_t last) MUST_CHECK;

/* The two ways by which the hypervisor itself tells what it writes. Any CPU at any time, also beside those
 * above, outside interrupt handlers, also inside read sections. What is not covered is not marked.
 *
 * tracker_mark() is called when [gpa, last] has been written, never before: a pass that took the mark before
 * the write would have its caller copy the old bytes. */
void tracker_mark(struct tracker *tracker, uint64_t gpa, uint64_t last);

/* Writes bytes of data to gpa on, page by page, and marks each page after it was written; of 0 bytes there is
 * nothing to write or to mark, wherever. ERR_INVALID: it would go beyond the last address there can be, or
 * config.write is NULL; the error of config.write: pages below that one were written. */
int tracker_write(struct tracker *tracker, uint64_t gpa, const void *data, size_t bytes) MUST_CHECK;

/* For people. */
struct tracker_info {
    char name[TRACKER_NAME_MAX];
    uint64_t last;
    unsigned level; /* that it was started with last */
    unsigned sources;
    bool tracks;
    uint64_t passes; /* since it was started, as the next three */
    uint64_t failed; /* of them */
    uint64_t reported;
    uint64_t ns;
    struct tracker_pass newest; /* all zero before the first one */
};

/* Any CPU at any time. */
void tracker_info(struct tracker *tracker, struct tracker_info *info);

/* Calls visit for each tracker there is, with a lock held: it calls nothing of this header. */
void tracker_visit(void (*visit)(void *context, const struct tracker_info *info), void *context);
