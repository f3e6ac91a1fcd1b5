/* SPDX-License-Identifier: BSD-2-Clause */
/* The books of the demo: which pages devices were told to write, when, and which of them harvests reported.
 *
 * Passes (harvests of the whole range, with their invalidation) have numbers from 1, and never overlap. A
 * page write is one page of a command that makes a device write memory. The ledger's lock makes submissions,
 * completions, beginnings and ends of passes one sequence of events; "before" below means in this sequence. A
 * doorbell is rung inside of its submission's event. An access by the device lies between its command's
 * submission and its completion, a pass's work between the pass's beginning and its end. What the ledger
 * holds harvests to:
 *
 * - A page write submitted when s passes had ended is *reported* by pass k if k's bitmap has the page and k >
 * s: so k ended after the submission. (An emulator may translate, and set dirty, as soon as the command is
 * submitted, with the data landing later; hence the submission, and not the completion, is what k must have
 * ended after. A page whose dirty bit k cleared counts until k's end, since a device may use the cached
 * translation until k's invalidation is through, without setting the bit anew.)
 *
 * - A page write is *missed* if it completed before pass k began, and no pass up to k has reported it. Its
 * access, and any dirty bit that came of it, was there before k began; a cached translation without a dirty
 * bit behind it can only have been cleared by a pass that ended after the access, and that pass has the page
 * in its bitmap. So missed is 0 on anything that works. Each page write is judged once, by the first pass
 * that begins after its completion. It errs on the harvest's side only for what is submitted between a
 * harvest's return and the event that says so.
 *
 * - A page reported by pass k is *extra* if there is no write to it that a device could have done since pass
 * k - 1 began: none is out at k's end, and none completed after k - 1 began. A write that completed earlier
 * was there for k - 1 to find, so for k its page is clean. Extra is 0 where only writes make a leaf dirty,
 * one by one: every leaf of the range is 4 KiB, nothing reads through it (on an emulator where accessed
 * counts as dirty a read would show), and first-stage dirty bits are not set by speculation. */
#pragma once

#include "lib/compiler.h"
#include "lib/spinlock.h"
#include <stdbool.h>
#include <stdint.h>

#define LEDGER_WRITE_PAGES_MAX 32

/* The pages of one command, by their number in the range. The submitter owns it; count and pages are set
 * before ledger_submit() and stay until ledger_complete(). */
struct ledger_write {
    uint32_t count;
    uint32_t pages[LEDGER_WRITE_PAGES_MAX];
    uint32_t passes_ended; /* when it was submitted */
};

struct ledger_page;
struct ledger_entry;

/* All but the first four fields is under the lock. */
struct ledger {
    uint32_t page_count;
    struct ledger_page *pages;
    struct ledger_entry *completed; /* a ring: page writes completed and not yet judged */
    struct spinlock lock;
    uint64_t completed_count; /* page writes ever put there */
    uint64_t to_judge;        /* completed_count when the pass that runs began */
    uint64_t judged_count;
    uint32_t out; /* page writes that a device has */
    uint32_t passes_begun;
    uint32_t passes_ended;
    uint32_t told; /* pages in writes that were submitted since the last pass ended, each once */
    uint64_t submitted_count;
};

/* What a pass came to, in pages, each counted once, but missed: page writes. */
struct ledger_pass {
    uint32_t number;
    uint32_t told; /* that devices were told to write since the pass before ended */
    uint32_t reported;
    uint32_t missed;
    uint32_t extra;
};

/* Books for a range of page_count pages, nothing written. ERR_NOMEM. */
int ledger_init(struct ledger *ledger, uint32_t page_count) MUST_CHECK;
void ledger_destroy(struct ledger *ledger);

/* How many page writes the books take before another pass has ended. Grows but for ledger_submit(). */
uint32_t ledger_room(struct ledger *ledger);

/* Calls start(context), which makes the device begin and nothing else, as one event with the submission of
 * write, for whose pages there is room. Any CPU. */
void ledger_submit(struct ledger *ledger, struct ledger_write *write, void (*start)(void *context),
                   void *context);

/* The device has done what write said; or it failed, and nobody knows what it wrote: such pages are not
 * judged. Any CPU. */
void ledger_complete(struct ledger *ledger, const struct ledger_write *write);
void ledger_fail(struct ledger *ledger, const struct ledger_write *write);

/* Around a harvest of the whole range, whose bitmap (bit n: page n; what comes after the range is not looked
 * at) the end judges. One CPU at a time. */
void ledger_pass_begin(struct ledger *ledger);
void ledger_pass_end(struct ledger *ledger, const uint64_t *bitmap, struct ledger_pass *pass);

/* Page writes submitted, and page writes judged, so far. */
void ledger_totals(struct ledger *ledger, uint64_t *submitted, uint64_t *judged);
