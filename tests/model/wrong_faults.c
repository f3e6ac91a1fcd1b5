/* SPDX-License-Identifier: BSD-2-Clause */
/* The fault registers and their event: a right handler, and wrong ones that lose faults or are never called.
 */
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/request.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"

#define WAIT_NS            (10 * NS_PER_MS)
#define FAULTS             12   /* three times what there are registers for */
#define REASON             0x59 /* any */
#define IOVA_OF(source_id) ((uint64_t)(source_id) << 12)

static struct unit *unit;
static unsigned interrupts, seen, overflows;
static bool told_of[FAULTS + 2]; /* by source-id */

/* What a handler leaves out. */
static struct {
    bool overflow; /* clearing PFO */
    bool rest;     /* all registers but the first that is pending */
    bool gaps;     /* registers behind one that is empty */
} leaves_out;

static void raise_fault(uint16_t source_id)
{
    const struct request request = {.source_id = source_id, .iova = IOVA_OF(source_id), .write = true};

    schedule_point(POINT_HARDWARE, NULL);
    unit_fault(unit, &request, REASON);
}

static unsigned fault_register(unsigned n)
{
    return 16 * (SPEC_CAP_FRO(unit->config.cap) + n);
}

/* Reads one register, if there is a fault in it, and empties it. */
static bool take_fault(unsigned n)
{
    uint64_t high = bare_read64(unit, fault_register(n) + 8);
    uint64_t low;

    if (!(high & SPEC_FRCD_F))
        return false;
    low = bare_read64(unit, fault_register(n));
    expect_equal(SPEC_FRCD_REASON(high), REASON);
    expect_equal(low, IOVA_OF(SPEC_FRCD_SOURCE(high)));
    expect(!(high & (SPEC_FRCD_T1 | SPEC_FRCD_T2 | SPEC_FRCD_PP)));
    expect(SPEC_FRCD_SOURCE(high) < ARRAY_SIZE(told_of) && !told_of[SPEC_FRCD_SOURCE(high)]);
    told_of[SPEC_FRCD_SOURCE(high)] = true;
    seen++;
    /* F is bit 127: the highest of the last 32. */
    bare_write32(unit, fault_register(n) + 12, (uint32_t)(SPEC_FRCD_F >> 32));
    return true;
}

/* FRI tells where the first fault was recorded when PPF rose, and stays so until PPF rises again (11.4.7.1):
 * the register there may be empty, and others not. */
static void drain(void)
{
    unsigned count = SPEC_CAP_NFR(unit->config.cap) + 1;
    uint32_t fsts;

    while ((fsts = bare_read32(unit, SPEC_FSTS)) & (SPEC_FSTS_PPF | SPEC_FSTS_PFO)) {
        for (unsigned i = 0; fsts & SPEC_FSTS_PPF && i < count; i++) {
            bool full = take_fault((SPEC_FSTS_FRI(fsts) + i) % count);

            if (leaves_out.rest || (leaves_out.gaps && !full))
                break;
        }
        if (fsts & SPEC_FSTS_PFO && !leaves_out.overflow) {
            overflows++;
            bare_write32(unit, SPEC_FSTS, SPEC_FSTS_PFO);
        }
        if (leaves_out.rest || leaves_out.overflow || leaves_out.gaps)
            return;
    }
}

static void handle(void *context)
{
    (void)context;
    interrupts++;
    drain();
}

static void start(void)
{
    const struct unit_config *config = &unit_modern;
    uint64_t address;
    uint32_t data;

    machine_make(&config, 1);
    unit = machine_unit(0);
    expect_equal(platform_msi_alloc(handle, NULL, &address, &data), 0);
    bare_write32(unit, SPEC_FEDATA, data);
    bare_write32(unit, SPEC_FEADDR, (uint32_t)address);
    bare_write32(unit, SPEC_FEUADDR, (uint32_t)(address >> 32));
    bare_write32(unit, SPEC_FECTL, 0);
    schedule_set_calm(false);
}

static void raise_many(void *context)
{
    (void)context;
    for (uint16_t source_id = 1; source_id <= FAULTS; source_id++)
        raise_fault(source_id);
}

static bool wait_for_interrupt(unsigned more_than)
{
    return wait_until(atomic_read(&interrupts) > more_than, WAIT_NS);
}

/* Another fault, when all is quiet, must come through. */
static void expect_another(void)
{
    unsigned before = atomic_read(&interrupts), seen_before = atomic_read(&seen);
    bool told;

    raise_fault(FAULTS + 1);
    told = wait_for_interrupt(before);
    expect(told);
    expect_equal(seen, seen_before + 1);
}

static void storm(void)
{
    struct agent *device = agent_start(AGENT_DEVICE, 0, "device", raise_many, NULL);
    bool told = wait_for_interrupt(0);

    expect(told);
    agent_join(device);
    /* The last interrupt may be on its way still. */
    told = wait_until(!(bare_read32(unit, SPEC_FECTL) & SPEC_EVENT_IP), WAIT_NS);
    expect(told);
    platform_relax();
}

SCENARIO(faults_right, .what = "a storm of faults: each comes once or an overflow is told, and it goes on",
         .kind = SCENARIO_RANDOM)
{
    start();
    storm();
    expect(seen == FAULTS || overflows);
    expect_equal(bare_read32(unit, SPEC_FSTS) & (SPEC_FSTS_PPF | SPEC_FSTS_PFO), 0);
    expect_another();
}

SCENARIO(fault_event_masked_and_pending, .what = "a fault while FECTL.IM is set is told when it is cleared",
         .kind = SCENARIO_RANDOM)
{
    bool told;

    start();
    bare_write32(unit, SPEC_FECTL, SPEC_EVENT_IM);
    raise_fault(1);
    raise_fault(2);
    expect_equal(bare_read32(unit, SPEC_FECTL), SPEC_EVENT_IM | SPEC_EVENT_IP);
    expect_equal(interrupts, 0);
    bare_write32(unit, SPEC_FECTL, 0);
    told = wait_for_interrupt(0);
    expect(told);
    expect_equal(seen, 2);
    /* What is served while it is masked is told no more. */
    bare_write32(unit, SPEC_FECTL, SPEC_EVENT_IM);
    raise_fault(3);
    drain();
    bare_write32(unit, SPEC_FECTL, 0);
    expect_equal(bare_read32(unit, SPEC_FECTL), 0);
    expect_equal(interrupts, 1);
    expect_equal(seen, 3);
}

SCENARIO(overflow_not_cleared,
         .what = "a handler empties the registers and leaves PFO: nothing is recorded any more",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION)
{
    start();
    leaves_out.overflow = true;
    storm();
    expect_another();
}

SCENARIO(one_register_emptied,
         .what = "a handler takes one fault an interrupt: with PPF still up no other comes",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION)
{
    start();
    leaves_out.rest = true;
    storm();
    expect_another();
}

SCENARIO(faults_behind_a_gap,
         .what = "a handler stops at the first empty register from FRI on, and looks but once",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION)
{
    start();
    leaves_out.gaps = true;
    storm();
    expect_another();
}

SCENARIO(fault_event_never_unmasked, .what = "the driver forgets FECTL, which masks events after reset",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION)
{
    start();
    bare_write32(unit, SPEC_FECTL, SPEC_EVENT_IM);
    expect_another();
}

SCENARIO(fault_message_of_nobody, .what = "FEDATA has a vector that nobody asked for", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_INTERRUPT)
{
    start();
    bare_write32(unit, SPEC_FEDATA, 0xfe);
    expect_another();
}
