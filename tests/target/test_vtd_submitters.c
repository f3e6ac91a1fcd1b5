/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d: all CPUs map and unmap in one domain, below one table, and wait on one queue, while a device writes
 * beside them. */

#include "arch/cpu/cpu.h"
#include "iommu/vtd/vtd.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include "tests/target/job.h"
#include "tests/target/queue_sums.h"
#include <stdlib.h>
#include <string.h>

#define FILL 0xa5

#define ROUNDS       128u
#define PAGES_A_SLOT 4u
#define SLOT_BYTES   (PAGES_A_SLOT * PAGE_SIZE)

/* One table of leaves for all slots, which goes whenever nobody has any, and another one for edu's page. */
#define SLOTS_IOVA (BENCH_IOVA + 2 * MIB)

/* Everybody's pages are mapped to this many pages of memory: nobody writes there. */
#define SLOT_ORDER 2

_Static_assert(PAGES_A_SLOT == 1u << SLOT_ORDER, "as many as a slot has");

struct submitter {
    struct job job;
    struct iommu_domain *domain;
    uint64_t iova;
    uint64_t hpa;
    unsigned strays; /* look-ups that found something else than the CPU had mapped or unmapped */
    int error;
};

static bool leads_to(const struct submitter *submitter, bool mapped)
{
    struct pt_leaf leaf;
    bool found = iommu_lookup(submitter->domain, submitter->iova + PAGE_SIZE, &leaf);

    return mapped ? found && leaf.hpa == submitter->hpa + PAGE_SIZE : !found;
}

static void submit(void *context)
{
    struct submitter *submitter = context;
    uint64_t iova = submitter->iova, last = iova + SLOT_BYTES - 1;

    for (unsigned round = 0; !submitter->error && round < ROUNDS; round++) {
        submitter->error = iommu_map(submitter->domain, iova, last, submitter->hpa, PT_READ | PT_WRITE);
        submitter->strays += !submitter->error && !leads_to(submitter, true);
        if (!submitter->error)
            submitter->error = iommu_unmap(submitter->domain, iova, last, NULL);
        submitter->strays += !submitter->error && !leads_to(submitter, false);
    }
}

static bool all_done(const struct submitter *submitters, unsigned count)
{
    while (count--)
        if (!atomic_read_acquire(&submitters[count].job.done))
            return false;
    return true;
}

/* edu writes, below upper tables that the others share with it. */
static void write_meanwhile(struct edu_bench *bench, const struct submitter *submitters, unsigned count,
                            uint64_t iova, uint8_t *page)
{
    unsigned writes = 0, wrong = 0;
    int error = 0;

    do {
        memset(page, 0, PAGE_SIZE);
        error = edu_write(&bench->edu, iova, PAGE_SIZE);
        wrong += !error && !edu_bench_is_pattern(bench, page, PAGE_SIZE);
        writes++;
    } while (!error && !all_done(submitters, count));
    tap_ok(!error && !wrong, "%u of edu's %u writes beside them did not land (%s)", wrong, writes,
           error_text(error));
}

static void check_submitters(const struct submitter *submitters, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        tap_ok(!submitters[i].error && !submitters[i].strays, "CPU %u: %u rounds, %u strays (%s)", i + 1,
               ROUNDS, submitters[i].strays, error_text(submitters[i].error));
}

static void start_submitters(struct edu_bench *bench, struct submitter *submitters, unsigned count,
                             uint8_t *slot)
{
    for (unsigned i = 0; i < count; i++) {
        submitters[i] = (struct submitter){
            .domain = bench->domain,
            .iova = SLOTS_IOVA + i * SLOT_BYTES,
            .hpa = virt_to_phys(slot),
        };
        job_start(&submitters[i].job, i + 1, submit, &submitters[i]);
    }
}

/* slot is what the submitters map, behind it lies edu's page. */
static void run(struct edu_bench *bench, struct submitter *submitters, unsigned count, uint8_t *slot)
{
    struct vtd_queue *queue = &vtd_unit_of(bench->edu.function)->queue;
    struct iommu_queue_stats before, after;
    struct iommu_domain_info empty, then;
    uint8_t *page = slot + SLOT_BYTES;
    int error = iommu_map(bench->domain, BENCH_IOVA, BENCH_IOVA + PAGE_SIZE - 1, virt_to_phys(page),
                          PT_READ | PT_WRITE);
    uint64_t faults = iommu_fault_count();

    if (!tap_ok(!error, "map edu's page: %s", error_text(error)))
        return;
    memset(slot, FILL, SLOT_BYTES);
    iommu_domain_info(bench->domain, &empty);
    vtd_queue_stats(queue, &before);
    start_submitters(bench, submitters, count, slot);
    write_meanwhile(bench, submitters, count, BENCH_IOVA, page);
    for (unsigned i = 0; i < count; i++)
        job_wait(&submitters[i].job);
    vtd_queue_stats(queue, &after);
    iommu_domain_info(bench->domain, &then);
    check_submitters(submitters, count);
    tap_ok(after.batches - before.batches == (uint64_t)count * ROUNDS * queue_sums_batches_a_round(),
           "%llu batches for %u rounds of each", (unsigned long long)(after.batches - before.batches),
           ROUNDS);
    queue_sums_check(&after);
    tap_ok(iommu_fault_count() == faults && bench_is_filled(slot, FILL, SLOT_BYTES),
           "no fault, and what they mapped is unchanged");
    tap_ok(then.tables == empty.tables && !then.quarantined, "as many tables as before (%llu, %llu)",
           (unsigned long long)then.tables, (unsigned long long)empty.tables);
    error = iommu_unmap(bench->domain, BENCH_IOVA, BENCH_IOVA + PAGE_SIZE - 1, NULL);
    tap_ok(!error, "unmap edu's page: %s", error_text(error));
}

TEST(vtd_submitters)
{
    unsigned count = cpu_count() - 1;
    struct submitter *submitters;
    struct edu_bench bench;
    uint8_t *slot;

    if (!count) {
        tap_skip("needs 2 CPUs");
        return;
    }
    if (!edu_bench_open(&bench))
        return;
    submitters = calloc(count, sizeof(*submitters));
    slot = pages_alloc(SLOT_ORDER + 1, PAGE_DMA);
    if (submitters && slot)
        run(&bench, submitters, count, slot);
    else
        tap_ok(false, "no memory for %u submitters", count);
    if (slot)
        pages_free(slot);
    free(submitters);
    edu_bench_close(&bench);
}
