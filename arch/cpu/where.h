/* SPDX-License-Identifier: BSD-2-Clause */
/* Where another CPU is: asked by NMI, since it may have interrupts off. */
#pragma once

#include "arch/cpu/interrupt.h"
#include <stdbool.h>
#include <stdint.h>

/* The instruction that a CPU was at; 0 if it does not answer within 10 ms, or is this one. Any CPU, not in an
 * interrupt handler. */
uintptr_t cpu_where(unsigned cpu);

/* For the NMI's handler: true if somebody asked, and has been told. */
bool cpu_where_answer(const struct trap_frame *frame);
