/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring and its descriptors, used wrongly; each beside the right way. */
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare_rig.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"

#define GLOBAL_IOTLB                                                                                         \
    (SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_GLOBAL) | SPEC_IOTLB_DW | SPEC_IOTLB_DR)
#define GLOBAL_CONTEXT (SPEC_DESCRIPTOR_CONTEXT | SPEC_DESCRIPTOR_WITH_G(SPEC_CONTEXT_GLOBAL))

/* Of 256-bit descriptors, in the one page that the bare driver's queue has. */
#define SLOT_BYTES 32
#define SLOTS      (PAGE_SIZE / SLOT_BYTES)

static struct unit *unit;

static void start(void)
{
    unit = bare_start(&unit_modern, true);
    schedule_set_calm(false);
}

static void wait(void)
{
    bool done = bare_wait(unit);

    expect(done);
}

/* --- the ring --- */

/* Slots are written behind the bare driver's back. */
static uint64_t *slot_at(uint64_t offset)
{
    uint64_t *ring = phys_to_virt(bare_read64(unit, SPEC_IQA) & SPEC_PAGE_ADDRESS);

    return &ring[offset % PAGE_SIZE / 8];
}

/* Submits one descriptor, and puts another one into the same slot. */
static void reuse_slot(bool in_time)
{
    uint64_t tail;
    uint64_t *slot;

    start();
    tail = bare_read64(unit, SPEC_IQT);
    slot = slot_at(tail);
    bare_submit(unit, GLOBAL_IOTLB, 0);
    if (in_time)
        wait();
    atomic_write(&slot[0], GLOBAL_CONTEXT);
    wait();
}

SCENARIO(slot_reused_too_early, .kind = SCENARIO_WRONG, .expected = VIOLATION_QUEUE,
         .what = "a descriptor is overwritten before the unit has fetched it")
{
    reuse_slot(false);
}

SCENARIO(slot_reused_in_time, .kind = SCENARIO_RANDOM,
         .what = "a descriptor is overwritten after a wait behind it has completed")
{
    reuse_slot(true);
}

SCENARIO(descriptor_after_tail, .kind = SCENARIO_WRONG, .expected = VIOLATION_QUEUE,
         .what = "the tail moves before the descriptor is written")
{
    uint64_t tail;
    uint64_t *slot;

    start();
    tail = bare_read64(unit, SPEC_IQT);
    slot = slot_at(tail);
    slot[0] = GLOBAL_CONTEXT; /* what was there before */
    bare_write64(unit, SPEC_IQT, tail + SLOT_BYTES);
    atomic_write(&slot[0], GLOBAL_IOTLB);
    while (bare_read64(unit, SPEC_IQH) == tail)
        platform_relax();
}

SCENARIO(tail_over_head, .kind = SCENARIO_WRONG, .expected = VIOLATION_QUEUE,
         .what = "the ring is filled to the last slot")
{
    uint64_t head;

    start();
    unit->silent_queue = true;
    head = bare_read64(unit, SPEC_IQH);
    for (unsigned i = 0; i < SLOTS - 1; i++)
        bare_put(unit, GLOBAL_IOTLB, 0);
    bare_kick(unit);
    bare_write64(unit, SPEC_IQT, head);
}

SCENARIO(ring_full, .kind = SCENARIO_RANDOM, .what = "all slots but one are used, and again")
{
    start();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < SLOTS - 2; i++)
            bare_put(unit, i % 2 ? GLOBAL_IOTLB : GLOBAL_CONTEXT, 0);
        wait();
    }
}

/* --- status --- */

static void *status_page;

static void put_wait_for_page(void)
{
    status_page = pages_alloc(0, PAGE_HYPERVISOR);
    expect(status_page != NULL);
    bare_submit(unit, SPEC_DESCRIPTOR_WAIT | SPEC_WAIT_SW | SPEC_WAIT_WITH_STATUS(1),
                virt_to_phys(status_page));
}

SCENARIO(status_freed, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_WALK,
         .what = "the memory of a wait's status is freed before the wait has completed")
{
    start();
    put_wait_for_page();
    pages_free(status_page);
    wait();
    wait();
}

SCENARIO(status_freed_and_used_again, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_WALK,
         .what = "the memory of a wait's status is somebody else's by the time when it is written")
{
    void *page;

    start();
    put_wait_for_page();
    pages_free(status_page);
    page = pages_alloc(0, PAGE_HYPERVISOR);
    expect(page == status_page);
    wait();
    wait();
}

SCENARIO(status_freed_in_time, .kind = SCENARIO_RANDOM,
         .what = "the memory of a wait's status is freed when the status is there")
{
    start();
    put_wait_for_page();
    while (atomic_read_acquire((uint32_t *)status_page) != 1)
        platform_relax();
    pages_free(status_page);
    wait();
}

/* --- a refused descriptor --- */

static struct rig rig;

/* The refused one gives way to a wait for nobody; it may be submitted again behind all else. */
static void recover(bool again)
{
    uint64_t head = bare_read64(rig.unit, SPEC_IQH);
    uint64_t *slot = slot_at(head);
    uint64_t refused[2] = {slot[0], slot[1]};
    bool done;

    slot[1] = 0;
    atomic_write(&slot[0], (uint64_t)SPEC_DESCRIPTOR_WAIT);
    atomic_fence_full();
    bare_write32(rig.unit, SPEC_FSTS, SPEC_FSTS_IQE);
    done = rig_wait(&rig, 0);
    expect(done);
    if (!again)
        return;
    bare_put(rig.unit, refused[0], refused[1]);
    rig_put_wait(&rig, 1, false);
    bare_kick(rig.unit);
    done = rig_wait(&rig, 1);
    expect(done);
}

static void unmap_refused(bool again)
{
    rig_make(&rig, &unit_modern, BARE_FIRST_STAGE, false);
    unit = rig.unit;
    rig_warm(&rig);
    rig_go(&rig);
    unit->inject_iqe_in = 1;
    rig_clear(&rig, 0);
    rig_put_iotlb(&rig, 0, 0, true);
    rig_put_wait(&rig, 0, false);
    bare_kick(unit);
    if (!rig_wait(&rig, 0)) {
        expect(bare_read32(unit, SPEC_FSTS) & SPEC_FSTS_IQE);
        recover(again);
    }
    bare_forbid(rig_iova(0));
    rig_end(&rig);
}

SCENARIO(refused_and_forgotten, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a descriptor is refused (IQE), taken out of the way, and its batch counts as done")
{
    unmap_refused(false);
}

SCENARIO(refused_and_repeated, .kind = SCENARIO_RANDOM,
         .what = "a descriptor is refused (IQE), taken out of the way, and submitted again")
{
    unmap_refused(true);
}
