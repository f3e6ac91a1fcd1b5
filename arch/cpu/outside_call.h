/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of code that is not Lull's, the firmware's: it may be wrong, and an exception in it ends the call
 * instead of the run. */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct trap_frame;

/* Calls function(argument, 0, 0, 0) by the Microsoft calling convention, in the address space of root, whose
 * upper half is as in the live tables. False (logged) if an exception ended it: what it has left undone is
 * unknown. Interrupts off. */
bool outside_call(uint64_t function, uint64_t argument, uint64_t root) MUST_CHECK;

/* If this exception is one of outside code, makes the call end with false, and is true. For interrupt.c. */
bool outside_call_fixup(struct trap_frame *frame);
