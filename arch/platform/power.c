/* SPDX-License-Identifier: BSD-2-Clause */
/* Power-off and reboot: by the firmware, by the FADT's registers, and by what is always there. */
#include "arch/platform/power.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/io.h"
#include "arch/cpu/paging.h"
#include "arch/cpu/smp.h"
#include "arch/platform/firmware.h"
#include "arch/platform/ioapic.h"
#include "arch/platform/memory_map.h"
#include "iommu/iommu.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "lib/units.h"
#include <string.h>

/* ACPI 6.5, sections 4.8.3.2.1 and 4.8.3.7. */
#define PM1_SLEEP_TYPE_SHIFT   10
#define PM1_SLEEP_TYPE_MASK    (7u << PM1_SLEEP_TYPE_SHIFT)
#define PM1_SLEEP_ENABLE       (1u << 13)
#define SLEEP_TYPE_SHIFT       2
#define SLEEP_ENABLE           (1u << 5)
#define REGISTER_BYTES         4u
#define PORT_RESET_CONTROL     0xcf9
#define RESET_CONTROL_HARD     0x02
#define RESET_CONTROL_HARD_NOW 0x06

/* How long a register may take to end the run before the next way is tried. */
#define END_TIMEOUT_NS (500 * NS_PER_MS)

enum after_panic {
    AFTER_PANIC_HALT,
    AFTER_PANIC_REBOOT,
    AFTER_PANIC_POWER_OFF,
};

/* A register, mapped when it lies in memory: when the run ends is no time to map anything. */
struct end_register {
    struct acpi_register place; /* address 0: there is none */
    volatile uint8_t *mapped;
};

/* How this machine ends a run. Set at start: a panic has no argument for it. */
static struct {
    const struct boot_info *info;
    uint16_t debug_exit; /* port; 0: there is none */
    enum after_panic after_panic;
    struct end_register reset, pm1a, pm1b, sleep;
    uint8_t reset_value;
    bool has_s5;
    uint8_t s5_type_a;
    uint8_t s5_type_b;
} power;

static void wait_for_the_end(void)
{
    uint64_t end = platform_time_ns() + END_TIMEOUT_NS;

    while (platform_time_ns() < end)
        platform_relax();
}

void power_init(const struct boot_info *info)
{
    const char *config = phys_to_virt(info->config);
    char value[CONFIG_VALUE_MAX];
    const char *number = value;
    uint64_t port;

    power.info = info;
    if (config_get(config, "debug_exit", value, sizeof(value)) && config_number(&number, UINT16_MAX, &port))
        power.debug_exit = (uint16_t)port;
    if (config_get(config, "panic", value, sizeof(value))) {
        if (!strcmp(value, "reboot"))
            power.after_panic = AFTER_PANIC_REBOOT;
        else if (!strcmp(value, "poweroff"))
            power.after_panic = AFTER_PANIC_POWER_OFF;
    }
}

static struct end_register prepare(struct acpi_register place, const char *name)
{
    struct end_register none = {{0}, NULL};
    struct end_register prepared = {place, NULL};

    if (!place.address)
        return none;
    if (place.space == ACPI_SPACE_IO && place.address <= UINT16_MAX)
        return prepared;
    if (place.space != ACPI_SPACE_MEMORY || memory_map_is_memory(place.address, REGISTER_BYTES)) {
        log_warn("ACPI FADT: %s at 0x%lx in space %u is not used", name, (unsigned long)place.address,
                 place.space);
        return none;
    }
    prepared.mapped = paging_map_mmio(place.address, REGISTER_BYTES);
    return prepared.mapped ? prepared : none;
}

void power_set_acpi(const struct acpi_power *acpi)
{
    power.reset = prepare(acpi->reset, "reset register");
    power.reset_value = acpi->reset_value;
    power.pm1a = prepare(acpi->pm1a_control, "PM1a control");
    power.pm1b = prepare(acpi->pm1b_control, "PM1b control");
    power.sleep = prepare(acpi->sleep_control, "sleep control");
    power.has_s5 = acpi->has_s5;
    power.s5_type_a = acpi->s5_type_a;
    power.s5_type_b = acpi->s5_type_b;
}

static void write8(const struct end_register *place, uint8_t value)
{
    if (!place->place.address)
        return;
    if (place->mapped)
        *place->mapped = value;
    else
        out8((uint16_t)place->place.address, value);
}

static uint16_t read16(const struct end_register *place)
{
    return place->mapped ? *(volatile uint16_t *)(volatile void *)place->mapped
                         : in16((uint16_t)place->place.address);
}

static void write16(const struct end_register *place, uint16_t value)
{
    if (place->mapped)
        *(volatile uint16_t *)(volatile void *)place->mapped = value;
    else
        out16((uint16_t)place->place.address, value);
}

static void reset_by_registers(void)
{
    write8(&power.reset, power.reset_value);
    wait_for_the_end();
    out8(PORT_RESET_CONTROL, RESET_CONTROL_HARD);
    out8(PORT_RESET_CONTROL, RESET_CONTROL_HARD_NOW);
    wait_for_the_end();
}

static void write_pm1(const struct end_register *control, uint8_t type)
{
    if (control->place.address)
        write16(control, (uint16_t)((read16(control) & ~(PM1_SLEEP_TYPE_MASK | PM1_SLEEP_ENABLE)) |
                                    (type & 7u) << PM1_SLEEP_TYPE_SHIFT | PM1_SLEEP_ENABLE));
}

static void power_off_by_registers(void)
{
    if (!power.has_s5)
        return;
    write8(&power.sleep, (uint8_t)((power.s5_type_a & 7u) << SLEEP_TYPE_SHIFT | SLEEP_ENABLE));
    write_pm1(&power.pm1a, power.s5_type_a);
    write_pm1(&power.pm1b, power.s5_type_b);
    wait_for_the_end();
}

/* An exception without an IDT: the CPU shuts down, and every chipset turns that into a reset. */
static NORETURN void triple_fault(void)
{
    const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_idt = {0, 0};

    __asm__ volatile("lidt %0; ud2" ::"m"(no_idt));
    cpu_halt_forever();
}

/* The units go off while the other CPUs still run: one that were stopped in the middle of a command to a unit
 * would keep its lock. What they work on cannot issue DMA any more. */
static void quiesce(void)
{
    pci_bus_master_off_all(NULL);
    ioapic_mask_all();
    iommu_shutdown();
    irq_disable();
    if (smp_stop_others())
        log_warn("power: some CPUs did not stop");
}

void machine_reboot(void)
{
    quiesce();
    if (cpu_id() == 0)
        firmware_reset_system(power.info, FIRMWARE_RESET_COLD);
    reset_by_registers();
    triple_fault();
}

void machine_power_off(void)
{
    quiesce();
    if (cpu_id() == 0)
        firmware_reset_system(power.info, FIRMWARE_RESET_SHUTDOWN);
    power_off_by_registers();
    log_error("power: this machine does not switch itself off; it is halted");
    cpu_halt_forever();
}

void machine_exit(enum exit_status status)
{
    if (power.debug_exit)
        out32(power.debug_exit, status);
    machine_power_off();
}

void power_end_after_panic(void)
{
    if (power.debug_exit)
        out32(power.debug_exit, EXIT_STATUS_PANIC);
    if (power.after_panic == AFTER_PANIC_POWER_OFF)
        power_off_by_registers();
    if (power.after_panic == AFTER_PANIC_REBOOT) {
        reset_by_registers();
        triple_fault();
    }
    cpu_halt_forever();
}
