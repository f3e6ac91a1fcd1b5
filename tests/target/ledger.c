/* SPDX-License-Identifier: BSD-2-Clause */
/* The books of the demo. */

#include "tests/target/ledger.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include <assert.h>

/* One page of the range. Pass numbers are from 1, so that 0 is "never". */
struct ledger_page {
    uint32_t reported_by; /* the last pass that reported it */
    uint32_t told_for; /* passes ended when it was last submitted, and 1: the pass that its told counts for */
    uint32_t completed_after; /* passes begun when a write to it last completed, and 1 */
    uint32_t out;             /* writes to it that a device has */
};

struct ledger_entry {
    uint32_t page;
    uint32_t passes_ended; /* when its write was submitted */
};

#define RING_ENTRIES 4096u

static unsigned order_for(uint64_t bytes)
{
    unsigned order = 0;

    while (PAGE_SIZE << order < bytes)
        order++;
    return order;
}

int ledger_init(struct ledger *ledger, uint32_t page_count)
{
    *ledger = (struct ledger){.page_count = page_count, .lock = SPINLOCK_INIT};
    ledger->pages = pages_alloc(order_for(page_count * sizeof(struct ledger_page)), PAGE_HYPERVISOR);
    ledger->completed = pages_alloc(order_for(RING_ENTRIES * sizeof(struct ledger_entry)), PAGE_HYPERVISOR);
    if (ledger->pages && ledger->completed)
        return 0;
    ledger_destroy(ledger);
    return ERR_NOMEM;
}

void ledger_destroy(struct ledger *ledger)
{
    if (ledger->pages)
        pages_free(ledger->pages);
    if (ledger->completed)
        pages_free(ledger->completed);
    ledger->pages = NULL;
    ledger->completed = NULL;
}

static uint32_t room(const struct ledger *ledger)
{
    return RING_ENTRIES - ledger->out - (uint32_t)(ledger->completed_count - ledger->judged_count);
}

uint32_t ledger_room(struct ledger *ledger)
{
    uint32_t entries;

    spin_lock(&ledger->lock);
    entries = room(ledger);
    spin_unlock(&ledger->lock);
    return entries;
}

void ledger_submit(struct ledger *ledger, struct ledger_write *write, void (*start)(void *context),
                   void *context)
{
    spin_lock(&ledger->lock);
    assert(write->count <= room(ledger));
    write->passes_ended = ledger->passes_ended;
    for (uint32_t i = 0; i < write->count; i++) {
        struct ledger_page *page = &ledger->pages[write->pages[i]];

        ledger->told += page->told_for != ledger->passes_ended + 1;
        page->told_for = ledger->passes_ended + 1;
        page->out++;
    }
    ledger->out += write->count;
    ledger->submitted_count += write->count;
    start(context);
    spin_unlock(&ledger->lock);
}

static void settle(struct ledger *ledger, const struct ledger_write *write, bool judge)
{
    spin_lock(&ledger->lock);
    for (uint32_t i = 0; i < write->count; i++) {
        struct ledger_page *page = &ledger->pages[write->pages[i]];

        page->completed_after = ledger->passes_begun + 1;
        page->out--;
        if (judge)
            ledger->completed[ledger->completed_count++ % RING_ENTRIES] =
                (struct ledger_entry){write->pages[i], write->passes_ended};
    }
    ledger->out -= write->count;
    spin_unlock(&ledger->lock);
}

void ledger_complete(struct ledger *ledger, const struct ledger_write *write)
{
    settle(ledger, write, true);
}

void ledger_fail(struct ledger *ledger, const struct ledger_write *write)
{
    settle(ledger, write, false);
}

void ledger_pass_begin(struct ledger *ledger)
{
    spin_lock(&ledger->lock);
    ledger->passes_begun++;
    ledger->to_judge = ledger->completed_count;
    spin_unlock(&ledger->lock);
}

/* Pass k, just ended, reports a page. completed_after >= k: completed when k - 1 passes or more had begun. */
static void report(struct ledger *ledger, uint32_t number, struct ledger_pass *pass)
{
    struct ledger_page *page = &ledger->pages[number];

    page->reported_by = pass->number;
    pass->reported++;
    if (!page->out && page->completed_after < pass->number)
        pass->extra++;
}

static void judge(struct ledger *ledger, struct ledger_pass *pass)
{
    for (; ledger->judged_count < ledger->to_judge; ledger->judged_count++) {
        const struct ledger_entry *entry = &ledger->completed[ledger->judged_count % RING_ENTRIES];

        if (ledger->pages[entry->page].reported_by <= entry->passes_ended)
            pass->missed++;
    }
}

void ledger_pass_end(struct ledger *ledger, const uint64_t *bitmap, struct ledger_pass *pass)
{
    spin_lock(&ledger->lock);
    *pass = (struct ledger_pass){.number = ++ledger->passes_ended, .told = ledger->told};
    ledger->told = 0;
    for (uint32_t word = 0; word < ledger->page_count / 64; word++) {
        for (uint64_t bits = bitmap[word]; bits; bits &= bits - 1)
            report(ledger, word * 64 + (uint32_t)__builtin_ctzll(bits), pass);
    }
    judge(ledger, pass);
    spin_unlock(&ledger->lock);
}

void ledger_totals(struct ledger *ledger, uint64_t *submitted, uint64_t *judged)
{
    spin_lock(&ledger->lock);
    *submitted = ledger->submitted_count;
    *judged = ledger->judged_count;
    spin_unlock(&ledger->lock);
}
