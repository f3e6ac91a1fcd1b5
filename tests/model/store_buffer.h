/* SPDX-License-Identifier: BSD-2-Clause */
/* Store buffers as x86-TSO has them (Sewell et al., CACM 2010): an atomic store may reach memory later, in
 * order, while its CPU reads on; a locked instruction, a fence, a register access or an interruption waits
 * for it. */
#pragma once

#include "tests/model/schedule.h"
#include <stdbool.h>
#include <stdint.h>

/* The running CPU's store of the low bytes of value; it reaches memory now or later. */
void store_buffer_store(volatile void *address, unsigned bytes, uint64_t value);

bool store_buffer_is_empty(void);

/* All that the running CPU has stored reaches memory. */
void store_buffer_drain(void);

/* The same if any of it is in these bytes, which are about to be stored to by a plain access. */
void store_buffer_drain_for(const volatile void *address, unsigned bytes);

/* The agent stops running, and goes on: what it has in its buffer others do not see. */
void store_buffer_leave(const struct agent *agent);
void store_buffer_return(const struct agent *agent);

/* Time for the oldest store to reach memory, if it is chosen. */
void store_buffer_step(void);
