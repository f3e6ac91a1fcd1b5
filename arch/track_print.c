/* SPDX-License-Identifier: BSD-2-Clause */
/* The command "track": trackers and passes, for people and for programs. */
#include "arch/track_print.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/pt/dirty_bitmap.h"
#include "lib/units.h"
#include <inttypes.h>
#include <stdio.h>

/* Ranges of pages that a pass prints. */
#define RANGES_MAX 16

#define LISTED_MAX 32

static const char *const sizes[PT_LEAF_LEVELS] = {"4K", "2M", "1G"};

/* What is listed is copied under the list's lock and printed after that: a console is slow. */
struct listing {
    struct tracker_info infos[LISTED_MAX];
    unsigned count;
};

/* Calls show for each run of pages in the report, at most RANGES_MAX; returns how many there are. */
static unsigned visit_ranges(const struct dirty_bitmap *report,
                             void (*show)(void *context, uint64_t first, uint64_t last), void *context)
{
    uint64_t pages = (report->last >> PAGE_LG2) + 1;
    unsigned count = 0;

    for (uint64_t page = 0; page < pages; page++) {
        uint64_t first = page;

        if (page % 64 == 0 && !report->words[page / 64]) {
            page += 63;
            continue;
        }
        while (page < pages && bitmap_test(report->words, page))
            page++;
        if (page > first && count++ < RANGES_MAX)
            show(context, first * PAGE_SIZE, page * PAGE_SIZE - 1);
    }
    return count;
}

static void print_range(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    printf("  %#" PRIx64 " to %#" PRIx64 "\n", first, last);
}

void track_print_pass(const struct tracker_pass *pass, const struct dirty_bitmap *report)
{
    uint64_t us = pass->ns / NS_PER_US, invalidation_us = pass->found.invalidation_ns / NS_PER_US;
    unsigned ranges;

    printf("pass %" PRIu64 "%s: %" PRIu64 " pages reported, %" PRIu64 " a second; %" PRIu64 " us, %" PRIu64
           " us of them for invalidations\n",
           pass->number, pass->whole ? ", of everything" : "", pass->reported, pass->pages_per_s, us,
           invalidation_us);
    printf("  %" PRIu64 " tables, %" PRIu64 " entries looked at, %" PRIu64 " dirty leaves; %" PRIu64
           " entries above passed over, %" PRIu64 " of their tables audited\n",
           pass->found.tables, pass->found.entries, pass->found.dirty, pass->found.pruned,
           pass->found.audited);
    if (pass->found.leaving)
        printf("  %" PRIu64 " unmaps or merges were beside it: the next one has what they took out\n",
               pass->found.leaving);
    if (pass->error)
        printf("  failed: %s, from %#" PRIx64 " to %#" PRIx64 ": %s; %" PRIu64
               " pages wait for the next pass\n",
               pass->failed, pass->failed_first, pass->failed_last, error_text(pass->error), pass->carried);
    ranges = visit_ranges(report, print_range, NULL);
    if (ranges > RANGES_MAX)
        printf("  and %u more\n", ranges - RANGES_MAX);
}

static void add_pass(struct json *json, const struct tracker_pass *pass)
{
    json_number(json, "pass", pass->number);
    json_bool(json, "whole", pass->whole);
    json_number(json, "sources", pass->sources);
    json_number(json, "tables", pass->found.tables);
    json_number(json, "entries", pass->found.entries);
    json_number(json, "dirty_leaves", pass->found.dirty);
    json_number(json, "pruned", pass->found.pruned);
    json_number(json, "audited", pass->found.audited);
    json_number(json, "audit_dirty", pass->found.audit_dirty);
    json_number(json, "leaving", pass->found.leaving);
    json_number(json, "marked", pass->marked);
    json_number(json, "reported", pass->reported);
    json_number(json, "carried", pass->carried);
    json_number(json, "ns", pass->ns);
    json_number(json, "invalidation_ns", pass->found.invalidation_ns);
    json_number(json, "pages_per_s", pass->pages_per_s);
    if (!pass->error)
        return;
    json_text(json, "error", error_text(pass->error));
    json_text(json, "failed_source", pass->failed);
    json_number(json, "failed_first", pass->failed_first);
    json_number(json, "failed_last", pass->failed_last);
}

static void add_range(void *context, uint64_t first, uint64_t last)
{
    struct json *json = context;

    json_open_list(json, NULL);
    json_number(json, NULL, first);
    json_number(json, NULL, last);
    json_close_list(json);
}

void track_print_pass_json(const struct tracker_pass *pass, const struct dirty_bitmap *report)
{
    struct json json;
    unsigned ranges;

    json_begin(&json);
    add_pass(&json, pass);
    json_open_list(&json, "ranges");
    ranges = visit_ranges(report, add_range, &json);
    json_close_list(&json);
    json_number(&json, "range_count", ranges);
    json_print(&json);
}

static void print_tracker(const struct tracker_info *info)
{
    printf("%-15s  %#" PRIx64 "  %s  %" PRIu64 " passes, %" PRIu64 " failed, %" PRIu64
           " pages reported, newest pass %" PRIu64 " a second\n",
           info->name, info->last, info->tracks ? sizes[info->level] : "off", info->passes, info->failed,
           info->reported, info->newest.pages_per_s);
    if (info->newest.error)
        printf("  the newest pass failed: %s: %s\n", info->newest.failed, error_text(info->newest.error));
}

static void print_tracker_json(const struct tracker_info *info)
{
    struct json json;

    json_begin(&json);
    json_text(&json, "tracker", info->name);
    json_number(&json, "last", info->last);
    json_bool(&json, "tracks", info->tracks);
    json_text(&json, "leaves", sizes[info->level]);
    json_number(&json, "sources", info->sources);
    json_number(&json, "passes", info->passes);
    json_number(&json, "failed", info->failed);
    json_number(&json, "reported_in_all", info->reported);
    json_number(&json, "ns_in_all", info->ns);
    if (info->newest.number) {
        json_open(&json, "newest");
        add_pass(&json, &info->newest);
        json_close(&json);
    }
    json_print(&json);
}

static void list_tracker(void *context, const struct tracker_info *info)
{
    struct listing *listing = context;

    if (listing->count < LISTED_MAX)
        listing->infos[listing->count] = *info;
    listing->count++;
}

void track_print_all(bool json)
{
    static struct listing listing; /* the console's CPU is the only one here */

    listing.count = 0;
    tracker_visit(list_tracker, &listing);
    for (unsigned i = 0; i < listing.count && i < LISTED_MAX; i++) {
        if (json)
            print_tracker_json(&listing.infos[i]);
        else
            print_tracker(&listing.infos[i]);
    }
    if (listing.count > LISTED_MAX && !json)
        printf("and %u more\n", listing.count - LISTED_MAX);
}
