/* SPDX-License-Identifier: BSD-2-Clause */
/* The one thing that is still asked of the firmware once it has handed over: to end the run. */
#pragma once

#include "boot/boot_info.h"

/* UEFI 2.10, section 8.5.1. */
enum firmware_reset {
    FIRMWARE_RESET_COLD = 0,
    FIRMWARE_RESET_SHUTDOWN = 2,
};

/* Calls ResetSystem(). Returns if the firmware does not have it, failed, or did nothing. On CPU 0, interrupts
 * off, the other CPUs stopped. */
void firmware_reset_system(const struct boot_info *info, enum firmware_reset type);
