/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a run: power-off, reboot, and a test machine's exit. */
#pragma once

#include "arch/platform/acpi.h"
#include "boot/boot_info.h"
#include "lib/compiler.h"

/* What QEMU's debug exit device is told (its own status is then 2 * this + 1). */
enum exit_status {
    EXIT_STATUS_PANIC = 2,
    EXIT_STATUS_CANNOT_RUN = 3,
};

/* Remembers what the configuration says: debug_exit, panic. First, before the ACPI tables are known; info
 * must stay. */
void power_init(const struct boot_info *info);

/* Adds what the FADT and the DSDT say about reset and sleep. */
void power_set_acpi(const struct acpi_power *power);

/* Each stops all bus mastering, the IOMMU and the other CPUs, and then ends the run: through the firmware's
 * ResetSystem() if this is CPU 0, the only one on which firmware expects to be called, and else or after that
 * through the machine's registers. Outside read sections; not in an interrupt handler. */
NORETURN void machine_reboot(void);
NORETURN void machine_power_off(void);

/* Ends a run on a test machine with a status, by the port that lull.cfg's debug_exit gives; powers off where
 * there is none. As machine_power_off(). */
NORETURN void machine_exit(enum exit_status status);

/* What ends a run after a panic: debug_exit, else what lull.cfg's panic says (halt, when it says nothing).
 * All other CPUs stand still, perhaps with locks in their hands: takes none of theirs, and calls no firmware.
 * For panic_set_end(). */
void power_end_after_panic(void);
