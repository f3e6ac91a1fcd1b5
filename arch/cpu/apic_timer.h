/* SPDX-License-Identifier: BSD-2-Clause */
/* What apic.c and apic_timer.c have between them: the registers, and the timer's measurement. */
#pragma once

#include "lib/compiler.h"
#include <stdint.h>

/* A register of this CPU's local APIC, by its offset in apic_registers.h. After apic_init() has chosen the
 * mode. */
uint32_t apic_read(unsigned offset);
void apic_write(unsigned offset, uint32_t value);

/* Measures how fast the timer counts. ERR_HARDWARE: it does not. */
int apic_timer_init(void) MUST_CHECK;
