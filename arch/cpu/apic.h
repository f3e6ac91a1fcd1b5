/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC, as xAPIC (registers in memory) or x2APIC (MSRs): interprocessor interrupts and the timer.
 */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

enum apic_mode {
    APIC_AUTO, /* x2APIC where the CPU has it */
    APIC_XAPIC,
    APIC_X2APIC,
};

/* Switches CPU 0's local APIC on, masks the 8259s, and measures the timer. Once, on CPU 0, after
 * tsc_init(), interrupts off. ERR_UNSUPPORTED: no local APIC, or not that mode; ERR_NOMEM;
 * ERR_HARDWARE: the timer does not count. */
int apic_init(enum apic_mode mode) MUST_CHECK;

/* The same on another CPU, in the mode that CPU 0 has. For smp.c. */
void apic_init_this(void);

/* The mode in use. */
bool apic_is_x2apic(void);

/* The id of this CPU's local APIC. After apic_init() or apic_init_this(). */
uint32_t apic_id_this(void);

/* False for an id that the mode in use has no way to reach. */
bool apic_can_address(uint32_t apic_id);

/* Raises vector on a CPU, which may be this one. Any context. */
void apic_send_ipi(unsigned cpu, uint8_t vector);

/* An NMI for a CPU. Any context. Does nothing before apic_init(). */
void apic_send_nmi(unsigned cpu);

/* Start of another CPU (SDM volume 3, 9.4.4), by APIC id: INIT, and the start at a page below 1 MiB. */
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, uint64_t page);

/* The end of an interrupt's handler: lets the next one of its priority in. interrupt.c calls it for all
 * handlers. */
void apic_eoi(void);

/* Calls handler(context) every period_ns (up to 30 s) on this CPU, in an interrupt, until stopped; replaces
 * what ran before. The handler opens no read section; it posts work. */
void apic_timer_start(uint64_t period_ns, void (*handler)(void *context), void *context);
void apic_timer_stop(void);
