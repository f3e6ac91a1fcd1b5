/* SPDX-License-Identifier: BSD-2-Clause */
/* The invalidation completion event (11.4.9.4, 11.4.9.5): a wait descriptor that raises an interrupt. */
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_registers.h"

#define WAIT_NS (10 * NS_PER_MS)

static struct unit *unit;
static unsigned interrupts;
static bool leaves_status; /* the handler does not clear IWC */

static void handle(void *context)
{
    (void)context;
    expect_equal(bare_read32(unit, SPEC_ICS), SPEC_ICS_IWC);
    if (!leaves_status)
        bare_write32(unit, SPEC_ICS, SPEC_ICS_IWC);
    atomic_fetch_add(&interrupts, 1);
}

static void start(void)
{
    uint64_t address;
    uint32_t data;

    unit = bare_start(&unit_modern, true);
    expect_equal(platform_msi_alloc(handle, NULL, &address, &data), 0);
    bare_write32(unit, SPEC_IEDATA, data);
    bare_write32(unit, SPEC_IEADDR, (uint32_t)address);
    bare_write32(unit, SPEC_IEUADDR, (uint32_t)(address >> 32));
    bare_write32(unit, SPEC_IECTL, 0);
    schedule_set_calm(false);
}

static void submit_wait(void)
{
    bare_submit(unit, SPEC_DESCRIPTOR_WAIT | SPEC_WAIT_IF, 0);
}

static void expect_interrupts(unsigned count)
{
    bool came = wait_until(atomic_read(&interrupts) == count, WAIT_NS);

    expect(came);
}

static void wait_twice(void)
{
    submit_wait();
    expect_interrupts(1);
    submit_wait();
    expect_interrupts(2);
}

SCENARIO(completion_event_right, .what = "each wait raises an interrupt; while masked it is pending",
         .kind = SCENARIO_RANDOM)
{
    bool pending;

    start();
    wait_twice();
    bare_write32(unit, SPEC_IECTL, SPEC_EVENT_IM);
    submit_wait();
    pending = wait_until(bare_read32(unit, SPEC_IECTL) & SPEC_EVENT_IP, WAIT_NS);
    expect(pending);
    expect_equal(interrupts, 2);
    bare_write32(unit, SPEC_IECTL, 0);
    expect_interrupts(3);
}

SCENARIO(completion_status_not_cleared, .what = "IWC stays up, and the next completion is no event",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION)
{
    start();
    leaves_status = true;
    wait_twice();
}
