/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt remapping of a unit (chapter 5): switched on and off. What devices' drivers ask for
 * (iommu_interrupt_*() of iommu.h) is in interrupt.c too. */
#pragma once

#include "iommu/vtd/dmar.h"
#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include <stdbool.h>

/* Decides, before the unit starts, whether it remaps interrupts and with which APIC ids; and logs why not,
 * where it does not. */
void vtd_interrupt_choose(struct vtd_unit *unit, const struct iommu_config *config, const struct dmar *dmar);

/* Switches remapping on, or over, with an empty table, or off where it was found on and is not wanted: from
 * then on every interrupt of the unit's devices is blocked, and those in compatibility format for good. Its
 * queue is on. For vtd_unit_start(). ERR_NOMEM, ERR_TIMEOUT, ERR_HARDWARE. */
int vtd_interrupt_start(struct vtd_unit *unit) MUST_CHECK;

/* Switches it off, as far as it is on, and drops what the unit has cached of the table. Its queue is on
 * still. Reports whether it is off then. For vtd_unit_stop(). */
bool vtd_interrupt_stop(struct vtd_unit *unit);

/* The largest APIC id that an interrupt through the unit can have. */
uint32_t vtd_interrupt_apic_id_max(const struct vtd_unit *unit);
