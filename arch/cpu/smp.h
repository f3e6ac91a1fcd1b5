/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the other CPUs, and stopping them for good. */
#pragma once

#include "lib/compiler.h"
#include <stdint.h>

struct trap_frame;

/* Starts every CPU listed, by APIC id, but this one; each enters event_loop(). Those that do not come up in
 * time are logged, put back into their wait, and left out; ids become dense in the list's order. Takes the
 * lower half's mapping away at the end. ap_start_page is boot_info.ap_start. Once, with count 0 too, on CPU
 * 0, after apic_init(), interrupts on or off. ERR_NOMEM: not all were started. */
int smp_start(const uint32_t *apic_ids, unsigned count, uint64_t ap_start_page) MUST_CHECK;

/* Stops all CPUs but this one for good, by NMI, wherever they are, and waits (bounded) until they stand.
 * Before power-off, reboot, and in a panic. Any context. Returns how many did not stop. */
unsigned smp_stop_others(void);

/* For the NMI's handler: if this CPU is asked to stop, remembers frame as the place where it stood, and does
 * not return. */
void smp_stop_if_asked(const struct trap_frame *frame);
