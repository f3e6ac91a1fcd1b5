/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts and registers of the model's machine. */
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/configs.h"
#include "tests/model/machine.h"
#include "tests/model/scenario.h"

static uint64_t msi_address;
static uint32_t msi_data;
static unsigned left, right, taken;

/* --- interrupts --- */

/* Whoever looks sees both the same, unless it looks in between. */
static void handle(void *context)
{
    (void)context;
    expect(platform_in_interrupt());
    expect_equal(atomic_read(&left), atomic_read(&right));
    atomic_write(&taken, atomic_read(&taken) + 1);
}

static void raise_interrupt(void *context)
{
    (void)context;
    schedule_point(POINT_HARDWARE, NULL);
    machine_interrupt(msi_address, msi_data);
}

static struct agent *start_device(void)
{
    expect_equal(platform_msi_alloc(handle, NULL, &msi_address, &msi_data), 0);
    schedule_set_calm(false);
    return agent_start(AGENT_DEVICE, 0, "device", raise_interrupt, NULL);
}

static void change_both(void)
{
    atomic_write(&left, 1u);
    atomic_write(&right, 1u);
}

static void wait_until_taken(struct agent *device)
{
    agent_join(device);
    while (!atomic_read(&taken))
        platform_relax();
    expect_equal(taken, 1);
    expect(!platform_in_interrupt());
}

SCENARIO(interrupted_in_between, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "an interrupt comes between two stores that belong together")
{
    struct agent *device = start_device();

    change_both();
    wait_until_taken(device);
}

SCENARIO(interrupts_enabled_too_early, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "an inner section that switches interrupts on lets one into the outer section")
{
    struct agent *device = start_device();

    (void)platform_irq_save();
    atomic_write(&left, 1u);
    platform_irq_restore(false);
    atomic_write(&right, 1u);
    wait_until_taken(device);
}

SCENARIO(interrupts_off, .kind = SCENARIO_RANDOM,
         .what = "no interrupt comes while they are off, through nested sections; then it does")
{
    struct agent *device = start_device();
    uint64_t outer = platform_irq_save();
    uint64_t inner;

    atomic_write(&left, 1u);
    inner = platform_irq_save();
    platform_relax();
    platform_irq_restore(inner);
    atomic_write(&right, 1u);
    platform_irq_restore(outer);
    wait_until_taken(device);
}

SCENARIO(interrupt_at_restore, .kind = SCENARIO_RANDOM,
         .what = "an interrupt that came while they were off is taken when they go on")
{
    struct agent *device = start_device();
    uint64_t outer = platform_irq_save();

    agent_join(device);
    expect_equal(taken, 0);
    platform_irq_restore(outer);
    expect_equal(taken, 1);
}

SCENARIO(message_to_nobody, .kind = SCENARIO_WRONG, .expected = VIOLATION_INTERRUPT,
         .what = "a message arrives that no vector was reserved for")
{
    struct agent *device;

    expect_equal(platform_msi_alloc(handle, NULL, &msi_address, &msi_data), 0);
    msi_data++;
    device = agent_start(AGENT_DEVICE, 0, "device", raise_interrupt, NULL);
    agent_join(device);
}

SCENARIO(vectors_run_out, .kind = SCENARIO_RANDOM, .what = "vectors are refused when none is left")
{
    unsigned reserved = 0;

    while (!platform_msi_alloc(handle, NULL, &msi_address, &msi_data))
        reserved++;
    expect(reserved >= UNITS_MAX);
}

/* --- units and their registers --- */

SCENARIO(units_of_devices, .kind = SCENARIO_RANDOM,
         .what = "of three units two have a device each, and the last one has all others")
{
    const struct unit_config *const configs[] = {&unit_modern, &unit_old, &unit_incoherent};

    machine_make(configs, 3);
    expect_equal(machine_unit_count(), 3);
    expect(machine_unit_of(0x0007) == machine_unit(0));
    expect(machine_unit_of(0x0008) == machine_unit(1));
    expect(machine_unit_of(0x0010) == machine_unit(2));
    expect(machine_unit_of(0x0100) == machine_unit(2));
}

static volatile uint8_t *map_unit(void)
{
    const struct unit_config *config = &unit_modern;

    machine_make(&config, 1);
    expect(!platform_mmio_map(UNIT_BASE + UNIT_STRIDE, PAGE_SIZE));
    expect(!platform_mmio_map(UNIT_BASE, 2 * UNIT_STRIDE));
    return platform_mmio_map(UNIT_BASE, UNIT_STRIDE);
}

SCENARIO(register_of_no_unit, .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER,
         .what = "a register is read behind the last unit's")
{
    (void)platform_mmio_read32(map_unit() + UNIT_STRIDE);
}

SCENARIO(register_not_aligned, .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER,
         .what = "a 64-bit register is read at an address that is no multiple of 8")
{
    (void)platform_mmio_read64(map_unit() + 4);
}

static void switch_interrupts_off(void *context)
{
    (void)context;
    (void)platform_irq_save();
}

SCENARIO(device_runs_code_of_a_cpu, .kind = SCENARIO_WRONG, .expected = VIOLATION_PANIC,
         .what = "an agent that is no CPU switches a CPU's interrupts off")
{
    agent_join(agent_start(AGENT_DEVICE, 0, "device", switch_interrupts_off, NULL));
}
