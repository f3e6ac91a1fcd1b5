/* SPDX-License-Identifier: BSD-2-Clause */
/* What the demo came to. */

#include "tests/target/demo_verdict.h"
#include "iommu/iommu.h"
#include "lib/error.h"
#include <inttypes.h>
#include <stdio.h>

void demo_snapshot(struct demo_snapshot *snapshot)
{
    rcu_barrier();
    page_alloc_stats(&snapshot->pages);
    rcu_pages_stats(&snapshot->rcu);
    snapshot->faults = iommu_fault_count();
}

/* One thing that must be so. */
struct requirement {
    bool met;
    const char *format; /* what to say if it is not, of the two values */
    uint64_t a;
    uint64_t b;
};

#define REQUIREMENTS_MAX 16

static unsigned requirements(const struct demo_outcome *outcome, struct requirement *list)
{
    const struct demo_snapshot *before = &outcome->before, *after = &outcome->after;
    uint64_t queued = outcome->settled.rcu.queued - before->rcu.queued;
    uint64_t done = outcome->settled.rcu.freed - before->rcu.freed;
    uint64_t faults = after->faults - before->faults;
    struct requirement all[] = {
        {!outcome->missed, "missed %" PRIu64, outcome->missed, 0},
        {!outcome->extra, "extra %" PRIu64, outcome->extra, 0},
        {outcome->submitted, "nothing was written", 0, 0},
        {outcome->judged == outcome->submitted, "judged %" PRIu64 " of %" PRIu64 " page writes",
         outcome->judged, outcome->submitted},
        {!outcome->failed_commands, "%" PRIu64 " commands failed", outcome->failed_commands, 0},
        {!outcome->strays, "%" PRIu64 " of %" PRIu64 " probes landed elsewhere", outcome->strays,
         outcome->probes},
        {outcome->probes || !outcome->probing, "no probe of a remapped page", 0, 0},
        {!faults, "%" PRIu64 " faults", faults, 0},
        {outcome->freed_meanwhile, "no table page was freed while passes ran", 0, 0},
        {outcome->tables_freed == queued, "%" PRIu64 " table pages freed, %" PRIu64 " came to RCU",
         outcome->tables_freed, queued},
        {queued == done, "%" PRIu64 " pages came to RCU, %" PRIu64 " were freed", queued, done},
        {!outcome->quarantined, "%" PRIu64 " table pages in quarantine", outcome->quarantined, 0},
        {after->pages.free_pages == before->pages.free_pages,
         "free pages: %" PRIu64 " before, %" PRIu64 " after", before->pages.free_pages,
         after->pages.free_pages},
        {after->pages.dma_pages == before->pages.dma_pages,
         "pages for DMA: %" PRIu64 " before, %" PRIu64 " after", before->pages.dma_pages,
         after->pages.dma_pages},
    };

    _Static_assert(sizeof(all) <= sizeof(struct requirement[REQUIREMENTS_MAX]), "they fit the list");
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        list[i] = all[i];
    return ARRAY_SIZE(all);
}

/* Everything that is not as it must be, in one line: other CPUs may log meanwhile. */
static void print_failure(const struct demo_outcome *outcome, const struct requirement *list, unsigned count)
{
    char text[400];
    size_t used = 0;

    if (outcome->error)
        used = (size_t)snprintf(text, sizeof(text), "; ended early: %s", error_text(outcome->error));
    for (unsigned i = 0; i < count && used < sizeof(text) - 100; i++) {
        if (list[i].met)
            continue;
        used += (size_t)snprintf(text + used, sizeof(text) - used, "; ");
        used += (size_t)snprintf(text + used, sizeof(text) - used, list[i].format, list[i].a, list[i].b);
    }
    printf("verdict: FAIL (%s)\n", text + 2);
}

bool demo_verdict(const struct demo_outcome *outcome)
{
    struct requirement list[REQUIREMENTS_MAX];
    unsigned count = requirements(outcome, list);
    bool pass = !outcome->error;

    for (unsigned i = 0; i < count; i++)
        pass &= list[i].met;
    if (pass)
        printf("verdict: PASS (%u passes, %" PRIu64 " page writes, missed 0, extra 0, %" PRIu64
               " table pages freed, none waiting, no fault)\n",
               outcome->passes, outcome->submitted, outcome->tables_freed);
    else
        print_failure(outcome, list, count);
    return pass;
}
