/* SPDX-License-Identifier: BSD-2-Clause */
/* A unit's fault registers and the interrupt that tells of them (7.2, 11.4.7). */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/compiler.h"

/* Clears what is recorded from before, the queue's errors too, and switches the interrupt on. Before the
 * queue is on. ERR_NOMEM: no vector; ERR_UNSUPPORTED: the vector's address does not fit the unit. */
int vtd_fault_start(struct vtd_unit *unit) MUST_CHECK;

/* Switches it off. */
void vtd_fault_stop(struct vtd_unit *unit);

/* Reads the registers empty into the ring of faults, as far as the unit's looks for these 10 ms go; an event
 * goes on then. Any context; the interrupt does it too. */
void vtd_fault_drain(struct vtd_unit *unit);
