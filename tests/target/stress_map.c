/* SPDX-License-Identifier: BSD-2-Clause */
/* The stress of dirty tracking: who maps pages for one read of the disk, and unmaps them under it;
 * and splits and merges the leaf of others. */

#include "arch/cpu/event.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "tests/target/edu_bench.h"
#include "tests/target/stress.h"
#include <string.h>

/* What no page of the disk has in it: they hold their numbers. */
#define FILLING 0xa5

/* From when a device was told to when its page goes: at most, and to begin with. */
#define HEAD_START_MAX_NS (20 * NS_PER_MS)
#define HEAD_START_NS     (100 * NS_PER_US)
#define WAIT_NS           (10 * NS_PER_S)

/* The last time's bits are all in: nobody has written the page since, and if it was written it was reported.
 */
static void judge(struct stress *stress, struct stress_slot *slot)
{
    if (!wait_until((event_step(),
                     (int32_t)(atomic_read_acquire(&stress->passes_ended) - slot->passes_to_wait) >= 0 ||
                         atomic_read(&stress->stop)),
                    WAIT_NS))
        stress_fail(stress, ERR_TIMEOUT);
    if (!bench_is_filled(slot->page, FILLING, PAGE_SIZE))
        stress->wrong.late++;
    if (slot->written && !slot->reported && !atomic_read(&slot->harvested) && !atomic_read(&stress->stop))
        stress->wrong.unreported++;
}

/* Has the writer tell a device to write the slot, and gives it time to get somewhere. No wait_until(): it
 * pauses, and a paused CPU of QEMU's goes on only when no device is at work. */
static void have_written(struct stress *stress, unsigned slot)
{
    uint64_t end = platform_time_ns() + WAIT_NS;

    atomic_write_release(&stress->wanted, slot + 1);
    while (atomic_read_acquire(&stress->wanted) && !atomic_read(&stress->stop) && platform_time_ns() < end)
        event_step();
    if (platform_time_ns() >= end)
        stress_fail(stress, ERR_TIMEOUT);
    end = platform_time_ns() + stress->head_start_ns;
    while (platform_time_ns() < end)
        event_step();
}

/* Aims at the moment when the device is in the middle of it: a little later when the page went before that,
 * earlier when it went after. */
static void adjust_head_start(struct stress *stress, bool went_after)
{
    uint64_t ns = stress->head_start_ns;

    ns = went_after ? ns - ns / 8 : ns + ns / 8 + NS_PER_US;
    stress->head_start_ns = ns < HEAD_START_MAX_NS ? ns : HEAD_START_MAX_NS;
}

static void unmap(struct stress *stress, struct stress_slot *slot, uint64_t iova)
{
    uint64_t word = 0;
    struct dirty_bitmap bitmap = {&word, iova, iova + PAGE_SIZE - 1};
    struct pt_leaf leaf;
    int error = iommu_unmap(stress->domain, iova, iova + PAGE_SIZE - 1, &bitmap);

    if (error) {
        stress_fail(stress, error);
        return;
    }
    slot->passes_to_wait = atomic_read(&stress->passes_begun);
    slot->reported = word;
    slot->written = !bench_is_filled(slot->page, FILLING, PAGE_SIZE);
    memset(slot->page, FILLING, PAGE_SIZE);
    adjust_head_start(stress, slot->written);
    if (!iommu_lookup(stress->domain, iova, &leaf))
        return;
    stress->wrong.resurrected = true;
    error = iommu_unmap(stress->domain, iova, iova + PAGE_SIZE - 1, NULL);
    if (error)
        stress_fail(stress, error);
}

static void play(struct stress *stress, unsigned number)
{
    struct stress_slot *slot = &stress->slots[number];
    uint64_t iova = stress_slot_iova(stress, number);
    int error;

    if (slot->mapped_before)
        judge(stress, slot);
    else
        memset(slot->page, FILLING, PAGE_SIZE);
    slot->mapped_before = 1;
    atomic_write(&slot->harvested, 0u);
    error =
        iommu_map(stress->domain, iova, iova + PAGE_SIZE - 1, virt_to_phys(slot->page), PT_READ | PT_WRITE);
    if (error) {
        stress_fail(stress, error);
        return;
    }
    stress->maps++;
    have_written(stress, number);
    unmap(stress, slot, iova);
}

/* Makes the large leaf small ones, or one again, while the disk is read into it. */
static void change_leaves(struct stress *stress)
{
    bool split = !(stress->changes++ & 1);
    struct pt_leaf leaf;
    int error = split ? iommu_split(stress->domain, STRESS_CHANGED_IOVA, STRESS_CHANGED_LAST, 0)
                      : iommu_merge(stress->domain, STRESS_CHANGED_IOVA, STRESS_CHANGED_LAST);

    if (error)
        stress_fail(stress, error);
    else if (!iommu_lookup(stress->domain, STRESS_CHANGED_IOVA, &leaf) || leaf.level != (split ? 0 : 1))
        stress_fail(stress, ERR_INVALID);
}

void stress_map(void *context)
{
    struct stress *stress = context;
    unsigned number = 0;

    stress->head_start_ns = HEAD_START_NS;
    /* An entry that came back is one that its table does not count: what the tables do next says nothing. */
    while (!atomic_read(&stress->stop) && !stress_failed(stress) && !stress->wrong.resurrected) {
        play(stress, number++ % STRESS_SLOTS);
        change_leaves(stress);
    }
}
