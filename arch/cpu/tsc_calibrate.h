/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding out how fast the time stamp counter counts. For tsc.c. */
#pragma once

#include <stdint.h>

/* Sets *hz and returns how it was found, in words; NULL if it was not. On CPU 0, interrupts off; takes up to
 * 0.1 s. pm_timer_port is 0 where there is no ACPI PM timer. */
const char *tsc_calibrate(uint16_t pm_timer_port, uint64_t *hz);
