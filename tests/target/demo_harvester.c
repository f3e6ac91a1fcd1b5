/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's harvester. */

#include "tests/target/demo_harvester.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "tests/target/demo_pool.h"
#include <string.h>

#define BITMAP_BYTES (DEMO_HARVEST_PAGES / 8)
#define BITMAP_ORDER 5

_Static_assert(BITMAP_BYTES <= PAGE_SIZE << BITMAP_ORDER, "a bit for each page");

/* The neighbours too, so that the walk meets tables that are being linked and unlinked. Their bits come after
 * the range's, and nobody judges them. */
static int harvest(struct demo_harvester *harvester)
{
    struct dirty_bitmap bitmap = {harvester->bitmap, DEMO_IOVA, DEMO_HARVEST_LAST};

    memset(harvester->bitmap, 0, BITMAP_BYTES);
    return iommu_harvest(harvester->domain, DEMO_IOVA, DEMO_HARVEST_LAST, &bitmap, 0, NULL);
}

static void run_pass(struct work *work)
{
    struct demo_harvester *harvester = CONTAINER_OF(work, struct demo_harvester, work);
    uint64_t start;

    ledger_pass_begin(harvester->ledger);
    start = platform_time_ns();
    harvester->error = harvest(harvester);
    harvester->harvest_ns = platform_time_ns() - start;
    ledger_pass_end(harvester->ledger, harvester->bitmap, &harvester->pass);
    /* What the pass came to is stored before running is 0; pairs with the acquire in demo_harvester_done().
     */
    atomic_write_release(&harvester->running, 0u);
}

int demo_harvester_init(struct demo_harvester *harvester, unsigned cpu, struct iommu_domain *domain,
                        struct ledger *ledger)
{
    *harvester =
        (struct demo_harvester){.work = {.run = run_pass}, .cpu = cpu, .domain = domain, .ledger = ledger};
    list_init(&harvester->work.link);
    harvester->bitmap = pages_alloc(BITMAP_ORDER, PAGE_HYPERVISOR);
    return harvester->bitmap ? 0 : ERR_NOMEM;
}

void demo_harvester_destroy(struct demo_harvester *harvester)
{
    if (harvester->bitmap)
        pages_free(harvester->bitmap);
}

int demo_harvester_prime(struct demo_harvester *harvester)
{
    return harvest(harvester);
}

void demo_harvester_start(struct demo_harvester *harvester)
{
    atomic_write(&harvester->running, 1u);
    event_post(harvester->cpu, &harvester->work);
}

bool demo_harvester_done(struct demo_harvester *harvester)
{
    return !atomic_read_acquire(&harvester->running);
}
