/* SPDX-License-Identifier: BSD-2-Clause */
/* Every write, until a bitmap has it. A harvest owes what landed before it began, unless an unmap under way
 * has taken the dirty bit; an unmap owes all that landed, unless a harvest under way has taken it. */
#include "lib/bitmap.h"
#include "tests/model/history.h"
#include "tests/model/oracle_state.h"
#include "tests/model/sometimes.h"
#include "tests/model/violation.h"
#include <inttypes.h>
#include <string.h>

static bool harvest_covers(const struct oracle_harvest *harvest, unsigned page)
{
    return harvest->number && harvest->first <= page && page <= harvest->last;
}

/* "harvest 3 (steps 120-188) did not report it; ..." */
static void describe_harvests(const struct oracle *oracle, unsigned page, uint64_t since, char *text,
                              size_t bytes)
{
    size_t used = 0;

    text[0] = 0;
    for (unsigned i = 0; i < ORACLE_HARVESTS && used < bytes; i++) {
        const struct oracle_harvest *harvest =
            &oracle->harvests[(oracle->harvest_count + 1 + i) % ORACLE_HARVESTS];

        if (!harvest_covers(harvest, page) || (!harvest->running && harvest->ended < since))
            continue;
        used += (size_t)snprintf(text + used, bytes - used, "; harvest %u looked from step %" PRIu64 "%s",
                                 harvest->number, harvest->began, harvest->running ? " on" : "");
        if (!harvest->running && used < bytes)
            used += (size_t)snprintf(text + used, bytes - used, " to %" PRIu64, harvest->ended);
    }
}

static NORETURN void lost(const struct oracle *oracle, unsigned page, const char *who_owed)
{
    const struct unreported *write = &oracle->pages[page].unreported;
    char looked[200];

    describe_harvests(oracle, page, write->landed, looked, sizeof looked);
    violation(VIOLATION_LOST_WRITE,
              "%s wrote iova %#" PRIx64 " (hpa %#" PRIx64 ", began at step %" PRIu64 ", landed at %" PRIu64
              ", first of %" PRIu64 "): %s did not report it%s",
              write->who, oracle_iova(oracle, page), write->hpa, write->began, write->landed, write->count,
              who_owed, looked);
}

void oracle_ledger_write(struct oracle *oracle, unsigned page, const struct oracle_event *event)
{
    struct oracle_page *at = &oracle->pages[page];

    oracle->writes++;
    at->harvests = 0;
    if (!oracle->tracked || at->unreported.count++)
        return;
    at->owed_by = 0;
    at->unreported = (struct unreported){
        .count = 1,
        .order = ++oracle->order,
        .began = event->began,
        .landed = schedule_step(),
        .hpa = event->hpa,
        .who = event->who,
    };
}

static void settle(struct oracle_page *page)
{
    page->unreported.count = 0;
    page->owed_by = 0;
    page->missed_by = 0;
}

static struct oracle_harvest *running_harvest(struct oracle *oracle, unsigned page)
{
    for (unsigned i = 0; i < ORACLE_HARVESTS; i++)
        if (oracle->harvests[i].running && harvest_covers(&oracle->harvests[i], page))
            return &oracle->harvests[i];
    return NULL;
}

/* A harvest that never finds anything shows nothing. */
static void note_report(bool of_written_page)
{
    sometimes(of_written_page);
}

unsigned oracle_harvest_begins(struct oracle *oracle, uint64_t iova, uint64_t last)
{
    unsigned number = ++oracle->harvest_count, first, end;
    struct oracle_harvest *harvest = &oracle->harvests[number % ORACLE_HARVESTS];

    oracle_clip(oracle, iova, last, &first, &end);
    expect(first < end && !harvest->running);
    for (unsigned page = first; page < end; page++)
        expect(!running_harvest(oracle, page)); /* two of one range must not run at once */
    *harvest = (struct oracle_harvest){
        .number = number,
        .running = true,
        .first = first,
        .last = end - 1,
        .order = ++oracle->order,
        .began = schedule_step(),
    };
    history("harvest %lu of %lx-%lx begins", number, iova, last);
    return number;
}

/* The bitmap has the page. When the harvest failed, the next one reports again what stands mapped, so that
 * does not count yet; what is going or gone it cannot report. */
static void page_reported(struct oracle *oracle, const struct oracle_harvest *harvest, unsigned page)
{
    struct oracle_page *at = &oracle->pages[page];

    if (at->harvests >= 2)
        oracle->extra++;
    if (!harvest->error || at->standing != STANDING_IN || at->owed_by == harvest->number)
        settle(at);
}

static NORETURN void lost_by_harvest(const struct oracle *oracle, unsigned page, unsigned harvest)
{
    char name[40];

    snprintf(name, sizeof name, "harvest %u", harvest);
    lost(oracle, page, name);
}

/* It may have looked at the large leaf before the merge told that of the write: then it is the next one's,
 * unless it says that no merge was beside it. */
static bool merge_beside(const struct oracle_page *page, const struct oracle_harvest *harvest)
{
    return !harvest->alone && (page->merging || harvest->order < page->merged_order);
}

static void page_not_reported(struct oracle *oracle, const struct oracle_harvest *harvest, unsigned page)
{
    struct oracle_page *at = &oracle->pages[page];
    bool landed_before = at->unreported.order < harvest->order;

    if (!oracle->tracked || !at->unreported.count)
        return;
    /* An unmap under way may have taken the bit: it owes the write then, and is asked when it returns. So may
     * a map have that fails. */
    if (at->owed_by == harvest->number ||
        (landed_before && at->standing == STANDING_IN && !merge_beside(at, harvest)))
        lost_by_harvest(oracle, page, harvest->number);
    if (landed_before && at->standing == STANDING_COMING)
        at->missed_by = harvest->number;
}

/* How the mapping of a page that went is to be reported: by who took it out, unless a harvest has taken the
 * bit. */
static void reported_gone(struct oracle *oracle, unsigned page, bool reported, const char *who_owed)
{
    const struct oracle_harvest *harvest = running_harvest(oracle, page);
    struct oracle_page *at = &oracle->pages[page];

    if (!oracle->tracked || !at->unreported.count)
        return;
    note_report(reported);
    if (reported)
        settle(at);
    else if (harvest)
        at->owed_by = harvest->number; /* the only one that can have cleared the bit */
    else
        lost(oracle, page, who_owed);
}

void oracle_ledger_unmapped(struct oracle *oracle, unsigned page, bool reported)
{
    reported_gone(oracle, page, reported, "its unmap");
}

void oracle_ledger_mapped(struct oracle *oracle, unsigned page, bool stands, bool reported)
{
    struct oracle_page *at = &oracle->pages[page];

    /* A driver that has no domain has nowhere to report what it takes back. */
    if (!stands && !oracle->domain)
        settle(at);
    else if (!stands)
        reported_gone(oracle, page, reported, "its map, which failed,");
    else if (at->missed_by)
        lost_by_harvest(oracle, page, at->missed_by);
}

void oracle_ledger_copied(struct oracle *oracle, unsigned page)
{
    settle(&oracle->pages[page]);
}

void oracle_ledger_merged(struct oracle *oracle, unsigned page)
{
    struct oracle_page *at = &oracle->pages[page];

    at->merging = false;
    at->merged_order = ++oracle->order;
}

void oracle_harvest_ends(struct oracle *oracle, unsigned number, const uint64_t *dirty, int error, bool alone)
{
    struct oracle_harvest *harvest = &oracle->harvests[number % ORACLE_HARVESTS];

    harvest->running = false;
    harvest->ended = schedule_step();
    harvest->error = error;
    harvest->alone = alone;
    for (unsigned page = harvest->first; page <= harvest->last; page++)
        harvest->reported += bitmap_test(dirty, page);
    history("harvest %lu ends: error %ld, %lu pages", number, (uint64_t)error, harvest->reported);
    if (error && !oracle_is_unconfirmed(error))
        return; /* it looked at nothing */
    for (unsigned page = harvest->first; page <= harvest->last; page++) {
        if (oracle->tracked && oracle->writes)
            note_report(bitmap_test(dirty, page) && oracle->pages[page].unreported.count);
        if (bitmap_test(dirty, page))
            page_reported(oracle, harvest, page);
        else
            page_not_reported(oracle, harvest, page);
        oracle->pages[page].harvests++;
    }
}
