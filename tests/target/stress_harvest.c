/* SPDX-License-Identifier: BSD-2-Clause */
/* The stress of dirty tracking: who harvests, and copies what is reported. */

#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "tests/target/stress.h"
#include <string.h>

static bool is_set(const uint64_t *bitmap, uint64_t bit)
{
    return bitmap[bit / 64] >> bit % 64 & 1;
}

/* The bits of [iova, last], from bit 0 of the bitmap on. */
static void harvest(struct stress *stress, uint64_t iova, uint64_t last, unsigned flags)
{
    struct dirty_bitmap bitmap = {stress->bitmap, iova, last};
    int error;

    memset(stress->bitmap, 0, ((last - iova) / PAGE_SIZE / 64 + 1) * sizeof(uint64_t));
    error = iommu_harvest(stress->domain, iova, last, &bitmap, flags, &stress->found);
    if (error)
        stress_fail(stress, error);
}

static uint32_t copy_reported(struct stress *stress)
{
    uint32_t count = 0;

    for (unsigned page = 0; page < STRESS_KEPT; page++) {
        if (!is_set(stress->bitmap, page))
            continue;
        memcpy(stress->copies + page * PAGE_SIZE, stress->kept + page * PAGE_SIZE, PAGE_SIZE);
        count++;
    }
    return count;
}

uint32_t stress_pass(struct stress *stress, bool whole)
{
    unsigned flags = whole ? 0 : HARVEST_PRUNED(stress->passes);
    uint64_t slots_last = STRESS_SLOT_IOVA + STRESS_SLOTS * stress->slot_stride - 1;
    struct ledger_pass judged;
    uint32_t copied;

    /* Begun before the first bit is cleared, ended after the last one is handed on: who unmaps a slot in
     * between looks at both, on the other side of iommu_unmap()'s atomics. */
    atomic_write(&stress->passes_begun, stress->passes_begun + 1);
    atomic_fence_full();
    ledger_pass_begin(&stress->ledger);
    harvest(stress, STRESS_KEPT_IOVA, STRESS_CHANGED_LAST, flags);
    ledger_pass_end(&stress->ledger, stress->bitmap, &judged);
    stress->wrong.missed += judged.missed;
    copied = copy_reported(stress);
    harvest(stress, STRESS_SLOT_IOVA, slots_last, flags);
    for (unsigned slot = 0; slot < STRESS_SLOTS; slot++)
        if (is_set(stress->bitmap, slot * (stress->slot_stride / PAGE_SIZE)))
            atomic_write(&stress->slots[slot].harvested, 1u);
    atomic_write_release(&stress->passes_ended, stress->passes_ended + 1);
    stress->passes++;
    stress->copied += copied;
    return copied;
}

void stress_harvest(void *context)
{
    struct stress *stress = context;

    while (!atomic_read(&stress->stop) && !stress_failed(stress))
        stress_pass(stress, !stress->passes);
}
