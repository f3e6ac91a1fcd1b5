/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's fault handling: it empties all registers, whatever comes while it does, and is told of what
 * comes later. */
#include "iommu/iommu.h"
#include "iommu/vtd/vtd.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/event_queue.h"
#include "lib/units.h"
#include "tests/model/configs.h"
#include "tests/model/machine.h"
#include "tests/model/request.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"

#define WAIT_NS (20 * NS_PER_MS)
#define REASON  0x59

static struct unit *unit;
static unsigned faults; /* that a device raises */
static bool all_raised;

static void raise_fault(unsigned number)
{
    const struct request request = {.source_id = (uint16_t)number, .iova = (uint64_t)number << PAGE_LG2};

    schedule_point(POINT_HARDWARE, NULL);
    unit_fault(unit, &request, REASON);
}

static void raise_all(void *context)
{
    (void)context;
    for (unsigned number = 1; number <= faults; number++)
        raise_fault(number);
    atomic_write(&all_raised, true);
}

/* A unit with so many fault registers. */
static void start(unsigned registers)
{
    struct unit_config config = unit_modern;
    const struct unit_config *configs = &config;
    size_t bytes;
    const void *dmar;

    config.cap &= ~SPEC_CAP_WITH_NFR(256);
    config.cap |= SPEC_CAP_WITH_NFR(registers);
    machine_make(&configs, 1);
    dmar = machine_dmar(&bytes);
    unit = machine_unit(0);
    expect_equal(iommu_init(dmar, bytes, &(struct iommu_config){0}), 0);
}

static bool registers_empty(void)
{
    return atomic_read(&all_raised) && !(unit->fsts & (SPEC_FSTS_PPF | SPEC_FSTS_PFO)) &&
           !unit->fault_message;
}

/* Without anybody's asking. */
static void expect_drained(void)
{
    bool drained = wait_until(registers_empty(), WAIT_NS);

    expect(drained);
}

static void storm(unsigned registers, unsigned count)
{
    struct agent *device;

    start(registers);
    faults = count;
    schedule_set_calm(false);
    device = agent_start(AGENT_DEVICE, 0, "device", raise_all, NULL);
    expect_drained();
    agent_join(device);
    schedule_set_calm(true);
}

static void expect_next_reported(void)
{
    struct iommu_fault newest;

    raise_fault(faults + 1);
    expect_drained();
    expect_equal(iommu_faults(&newest, 1), 1);
    expect_equal(newest.iova, (uint64_t)(faults + 1) << PAGE_LG2);
    expect_equal(newest.reason, REASON);
}

static bool is_read(void)
{
    event_queue_run();
    return !(machine_unit(0)->fsts & (SPEC_FSTS_PPF | SPEC_FSTS_PFO)) && !machine_unit(0)->fault_message;
}

SCENARIO(
    queue_error_unwaited, .kind = SCENARIO_RANDOM,
    .what =
        "a device completes an invalidation that nobody asked for (ICE): later faults are told all the same")
{
    static const struct unit_config *const modern[] = {&unit_modern};
    const struct request request = {.source_id = 8, .iova = 0x1000};
    size_t bytes;
    const void *dmar;
    bool read;

    machine_make(modern, 1);
    dmar = machine_dmar(&bytes);
    unit = machine_unit(0);
    expect_equal(iommu_init(dmar, bytes, &(struct iommu_config){0}), 0);
    unit->fsts |= SPEC_FSTS_ICE;
    unit_fault_registers_written(unit);
    read = wait_until((event_queue_run(), !unit->fault_message), 20 * NS_PER_MS);
    expect(read);
    unit_fault(unit, &request, 0x59);
    read = wait_until(is_read(), NS_PER_S);
    expect(read);
    iommu_shutdown();
}

SCENARIO(driver_drains_storm, .kind = SCENARIO_RANDOM,
         .what = "after a storm of faults all registers are empty, and the next fault is told")
{
    storm(4, 12);
    expect(iommu_fault_count() >= 1 && iommu_fault_count() <= faults);
    expect_next_reported();
}

SCENARIO(driver_drains_faults, .kind = SCENARIO_EXHAUSTIVE, .deviations = 4,
         .what = "a few faults come at any moment of the handler: it leaves no register full")
{
    storm(2, 3);
    expect_next_reported();
}

static bool nothing_recorded(void *context)
{
    (void)context;
    return !(unit->fsts & SPEC_FSTS_PPF);
}

/* As soon as the last fault has been read there is another one. */
static void raise_again_and_again(void *context)
{
    for (unsigned number = 1; number <= faults; number++) {
        schedule_wait(nothing_recorded, context, "that its last fault is read");
        raise_fault(number);
    }
    atomic_write(&all_raised, true);
}

/* This CPU runs its events as a CPU's loop does. */
static bool drained_by_events(void)
{
    event_queue_run();
    return registers_empty();
}

SCENARIO(driver_reads_long_storm, .kind = SCENARIO_RANDOM,
         .what =
             "a storm that is longer than what the interrupt may read is read to its end by an event, and "
             "the next fault raises the interrupt again")
{
    struct agent *device;
    uint64_t before;
    bool drained;

    start(2);
    faults = 200;
    schedule_set_calm(false);
    device = agent_start(AGENT_DEVICE, 0, "device", raise_again_and_again, NULL);
    drained = wait_until(drained_by_events(), NS_PER_S);
    expect(drained);
    agent_join(device);
    schedule_set_calm(true);
    expect(vtd_unit(0)->fault_storms > 0);
    before = iommu_fault_count();
    raise_fault(faults + 1);
    drained = wait_until(drained_by_events(), WAIT_NS);
    expect(drained);
    expect_equal(iommu_fault_count(), before + 1);
}
