/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O APICs: Lull uses none. */
#pragma once

#include <stdint.h>

/* Masks all inputs of the one whose registers are at hpa: firmware may have left some on, and one that is
 * triggered by its level and that nobody serves would interrupt for ever. Before interrupts are enabled. */
void ioapic_mask(uint64_t hpa);
