/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether an access may have gone where it went, or may have been refused. */
#include "tests/model/history.h"
#include "tests/model/oracle_state.h"
#include "tests/model/violation.h"
#include <inttypes.h>

static const char *const standing_names[] = {
    [STANDING_OUT] = "not mapped",
    [STANDING_COMING] = "being mapped",
    [STANDING_IN] = "mapped",
    [STANDING_GOING] = "being unmapped",
};

static const char *verb(const struct oracle_event *event)
{
    return event->write ? "wrote" : "read";
}

static const struct past_mapping *find_past(const struct oracle_page *page, uint64_t hpa, bool unconfirmed)
{
    for (unsigned i = 0; i < PAST_MAPPINGS; i++)
        if (page->past[i].until && page->past[i].hpa == hpa && page->past[i].unconfirmed == unconfirmed)
            return &page->past[i];
    return NULL;
}

/* The driver said that it may be: the request was under way, and a unit did not say that it is drained. What
 * begins later comes from a device that is not cut off, so its unit has confirmed. */
static bool may_be_late(const struct oracle_page *page, const struct oracle_event *event)
{
    const struct past_mapping *past = find_past(page, event->hpa, true);

    return past && event->began <= past->until;
}

static NORETURN void went_elsewhere(const struct oracle_page *page, const struct oracle_event *event)
{
    const struct past_mapping *past = find_past(page, event->hpa, false);

    if (!past)
        past = find_past(page, event->hpa, true);
    if (past)
        violation(VIOLATION_STALE,
                  "%s %s iova %#" PRIx64 " at hpa %#" PRIx64 " (began at step %" PRIu64
                  "): its unmap had returned at step %" PRIu64 ", and now the page is %s",
                  event->who, verb(event), event->iova, event->hpa, event->began, past->until,
                  standing_names[page->standing]);
    violation(VIOLATION_FORBIDDEN,
              "%s %s iova %#" PRIx64 " at hpa %#" PRIx64 " (began at step %" PRIu64
              "): the page is %s, to hpa %#" PRIx64 ", and never was there",
              event->who, verb(event), event->iova, event->hpa, event->began, standing_names[page->standing],
              page->standing == STANDING_OUT ? 0 : page->hpa);
}

void oracle_check_landing(struct oracle *oracle, const struct oracle_event *event)
{
    struct oracle_page *page;
    unsigned first, end;

    history("%s: lands at iova %lx, hpa %lx (write %lu)", history_text(event->who), event->iova, event->hpa,
            event->write);
    oracle_clip(oracle, event->iova, event->iova, &first, &end);
    if (first == end)
        violation(VIOLATION_FORBIDDEN, "%s %s iova %#" PRIx64 " at hpa %#" PRIx64 ", which was never mapped",
                  event->who, verb(event), event->iova, event->hpa);
    page = &oracle->pages[first];
    if (may_be_late(page, event))
        return;
    if (page->standing == STANDING_OUT || page->hpa != event->hpa)
        went_elsewhere(page, event);
    if (!event->write)
        return;
    if (!(page->prot & PT_WRITE))
        violation(VIOLATION_FORBIDDEN,
                  "%s wrote iova %#" PRIx64 " at hpa %#" PRIx64 ", which is mapped read-only", event->who,
                  event->iova, event->hpa);
    oracle_ledger_write(oracle, first, event);
}

void oracle_check_refusal(struct oracle *oracle, const struct oracle_event *event, unsigned reason)
{
    const struct oracle_page *page;
    unsigned first, end;

    history("%s: refused at iova %lx (write %lu, reason %#lx)", history_text(event->who), event->iova,
            event->write, reason);
    oracle_clip(oracle, event->iova, event->iova, &first, &end);
    if (first == end)
        return;
    page = &oracle->pages[first];
    if (page->standing != STANDING_IN || page->since >= event->began ||
        (event->write && !(page->prot & PT_WRITE)))
        return;
    violation(VIOLATION_SPURIOUS_FAULT,
              "%s may not %s iova %#" PRIx64 " (reason %#x; began at step %" PRIu64
              "), which is mapped to hpa %#" PRIx64 " since step %" PRIu64,
              event->who, event->write ? "write" : "read", event->iova, reason, event->began, page->hpa,
              page->since);
}
