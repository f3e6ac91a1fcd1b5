/* SPDX-License-Identifier: BSD-2-Clause */
/* A tracker's passes: what its sources have found becomes pending; what is pending is reported once all of
 * them have succeeded. */
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/tracker_state.h"
#include <inttypes.h>
#include <string.h>

/* How many parts a pass has: each some cuts, the last one perhaps less. */
static unsigned part_count(const struct tracker *tracker)
{
    uint64_t cuts = tracker->last / TRACKER_CUT + 1;

    return cuts < tracker->config.parts ? (unsigned)cuts : tracker->config.parts;
}

static void part_range(const struct tracker *tracker, unsigned n, uint64_t *first, uint64_t *last)
{
    uint64_t cuts = tracker->last / TRACKER_CUT + 1;
    unsigned parts = part_count(tracker);

    *first = cuts * n / parts * TRACKER_CUT;
    *last = n + 1 == parts ? tracker->last : cuts * (n + 1) / parts * TRACKER_CUT - 1;
}

static void run_parts(struct tracker *tracker, void (*part)(void *argument, unsigned n))
{
    unsigned parts = part_count(tracker);

    if (tracker->config.run && parts > 1) {
        tracker->config.run(parts, part, tracker);
        return;
    }
    for (unsigned n = 0; n < parts; n++)
        part(tracker, n);
}

/* All sources, one after the other: each of them also when one before has failed, since what it finds is
 * pending all the same. */
static void look_at_part(void *argument, unsigned n)
{
    struct tracker *tracker = argument;
    struct tracker_part *part = &tracker->parts[n];
    uint64_t first, last;

    part_range(tracker, n, &first, &last);
    *part = (struct tracker_part){.error = 0};
    list_for_each (node, &tracker->sources) {
        struct tracker_source *source = list_entry(node, struct tracker_source, link);
        unsigned flags = tracker->flags;
        int error;

        if (flags && mutant(AUDIT_BY_HARVEST))
            flags = HARVEST_PRUNED(tracker->pruned_passes * part_count(tracker) + n);
        error = source->ops->pass(source, first, last, &tracker->pending->pages, flags, &part->found);
        if (error && !part->error) {
            part->error = error;
            part->failed = source;
        }
    }
}

static void report_part(void *argument, unsigned n)
{
    struct tracker *tracker = argument;
    uint64_t first, last;

    part_range(tracker, n, &first, &last);
    tracker->parts[n].reported = tracker_bitmap_take(tracker->pending, first, last, tracker->report);
}

void tracker_log_failure(const struct tracker *tracker, const char *source, uint64_t first, uint64_t last,
                         int error)
{
    log_error("track: %s: %s failed in its pass over %#" PRIx64 " to %#" PRIx64 ": %s", tracker->info.name,
              source, first, last, error_text(error));
}

/* The name is copied: the source may be gone when somebody reads what the pass came to. */
static void note_failure(const struct tracker *tracker, unsigned n, struct tracker_pass *pass)
{
    const struct tracker_part *part = &tracker->parts[n];

    pass->error = part->error;
    strncpy(pass->failed, part->failed->name, TRACKER_NAME_MAX - 1);
    part_range(tracker, n, &pass->failed_first, &pass->failed_last);
}

/* By whom the parts were looked at, and in which order, is no matter: who failed is found afterwards. */
int tracker_look(struct tracker *tracker, unsigned flags, struct tracker_pass *pass)
{
    tracker->flags = flags;
    run_parts(tracker, look_at_part);
    for (unsigned n = 0; n < part_count(tracker); n++) {
        harvest_stats_add(&pass->found, &tracker->parts[n].found);
        if (tracker->parts[n].error && !pass->error)
            note_failure(tracker, n, pass);
    }
    return pass->error;
}

/* What several passes have found leaves together, after the last one's invalidations. */
static uint64_t hand_over(struct tracker *tracker, struct dirty_bitmap *report)
{
    uint64_t reported = 0;

    tracker->report = report;
    run_parts(tracker, report_part);
    for (unsigned n = 0; n < part_count(tracker); n++)
        reported += tracker->parts[n].reported;
    return reported;
}

/* The share is the same in all parts and sources, and goes on with each pass that pruned and has succeeded:
 * so 64 of these have audited all that they left out, whatever passes were between. */
static unsigned choose_flags(const struct tracker *tracker, bool whole)
{
    return whole ? 0 : HARVEST_PRUNED(tracker->pruned_passes);
}

static void look_and_report(struct tracker *tracker, struct dirty_bitmap *report, struct tracker_pass *pass)
{
    tracker->whole_next = tracker_look(tracker, choose_flags(tracker, pass->whole), pass);
    if (!pass->error || mutant(AUDIT_SHARE_USED_UP))
        tracker->pruned_passes += !pass->whole;
    if (!pass->error) {
        pass->reported = hand_over(tracker, report);
        return;
    }
    if (mutant(CARRY_DROPPED))
        tracker_bitmap_clear(tracker->pending);
    pass->carried = tracker_bitmap_count(tracker->pending);
}

static bool guesses(const struct tracker *tracker)
{
    list_for_each (node, &tracker->sources)
        if (list_entry(node, struct tracker_source, link)->guesses)
            return true;
    return false;
}

/* tracker_finish() tries again and again: the same sentence each time would drown all others. */
static bool fails_as_before(const struct tracker *tracker, const struct tracker_pass *pass)
{
    const struct tracker_pass *before = &tracker->info.newest;

    return before->error == pass->error && before->failed_first == pass->failed_first &&
           !strcmp(before->failed, pass->failed);
}

static void run_pass(struct tracker *tracker, struct dirty_bitmap *report, unsigned flags,
                     struct tracker_pass *pass)
{
    uint64_t begin_ns = platform_time_ns(), end_ns, time_ns;

    *pass = (struct tracker_pass){
        .number = tracker->info.passes + 1,
        .whole = flags & TRACKER_WHOLE || tracker->whole_next,
        .sources = tracker->info.sources,
        .guessed = guesses(tracker),
        .marked = atomic_exchange(&tracker->marked, 0u),
    };
    look_and_report(tracker, report, pass);
    end_ns = platform_time_ns();
    pass->ns = end_ns - begin_ns;
    if (!pass->error) {
        time_ns = end_ns - tracker->since_ns;
        pass->pages_per_s = pass->reported * NS_PER_S / (time_ns ? time_ns : 1);
        tracker->since_ns = end_ns;
    }
    /* When the time has been taken: a console is slow. */
    if (pass->error && !fails_as_before(tracker, pass))
        tracker_log_failure(tracker, pass->failed, pass->failed_first, pass->failed_last, pass->error);
    tracker_update_passes(tracker, pass);
}

int tracker_pass(struct tracker *tracker, struct dirty_bitmap *report, unsigned flags,
                 struct tracker_pass *pass)
{
    struct tracker_pass own;
    int error = ERR_INVALID;

    if (!tracker_enter(tracker))
        return ERR_BUSY;
    if (!pass)
        pass = &own;
    if (tracker->pending && !(flags & ~(unsigned)TRACKER_WHOLE) && report->iova == 0 &&
        report->last >= tracker->last) {
        run_pass(tracker, report, flags, pass);
        error = pass->error;
    }
    tracker_leave(tracker);
    return error;
}

/* Nothing is left to find, nor on its way from what was mapped. */
static bool has_all(const struct tracker_pass *pass)
{
    return !pass->found.leaving && (!pass->reported || pass->guessed);
}

int tracker_finish(struct tracker *tracker, struct dirty_bitmap *report, uint64_t timeout_ns,
                   struct tracker_pass *pass)
{
    uint64_t end_ns = platform_time_ns() + timeout_ns;
    struct tracker_pass own;
    int error;

    if (!pass)
        pass = &own;
    do {
        error = tracker_pass(tracker, report, TRACKER_WHOLE, pass);
        if (error == ERR_INVALID || error == ERR_BUSY || (!error && has_all(pass)))
            return error;
        /* An unmap may wait for a grace period. */
        rcu_quiescent();
        platform_relax();
    } while (platform_time_ns() < end_ns);
    return error ? error : ERR_TIMEOUT;
}
