/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a unit's invalidation queue, for one another: unit_queue.c and unit_queue_*.c. */
#pragma once

#include "tests/model/spec_descriptors.h"
#include "tests/model/unit.h"
#include <stdbool.h>

/* --- unit_queue_check.c --- */

/* Calls out a descriptor that a unit would refuse, or take for something else than what was meant. */
void unit_queue_check(const struct unit *unit, const struct unit_pending *descriptor);

const char *unit_queue_type_name(unsigned type);

/* --- unit_queue_order.c: 6.5.2.11 --- */

/* Whether the n-th pending descriptor may be carried out now. */
bool unit_queue_may_carry_out(const struct unit *unit, unsigned n);

/* --- unit_queue_error.c: 6.5.2.10 --- */

/* The descriptor at the head is refused: the queue stops. */
void unit_queue_refuse(struct unit *unit);

/* Nobody will ever answer the n-th pending descriptor in time. */
bool unit_queue_is_hopeless(const struct unit *unit, unsigned n);

/* The unit gives the n-th pending descriptor up. */
void unit_queue_give_up(struct unit *unit, unsigned n);

/* --- unit_queue_ring.c: what software submitted, which hardware may read at any time from then on --- */

unsigned unit_queue_slot_bytes(const struct unit *unit);

/* Remembers what is in the slots from offset `from` to before `to`, and how things stand that they name. */
void unit_queue_remember(const struct unit *unit, uint64_t from, uint64_t to);

/* Reads the descriptor at the head, which must be what was submitted. */
void unit_queue_read_head(struct unit *unit, struct unit_pending *descriptor);
