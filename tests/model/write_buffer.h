/* SPDX-License-Identifier: BSD-2-Clause */
/* The write buffer between the CPUs' caches and memory that some platforms have (CAP.RWBF, 6.8): a line that
 * was flushed may stay in it until a unit is told to flush it (GCMD.WBF), or is told to invalidate anything.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The machine has one, from now on: called for each unit with CAP.RWBF. */
void write_buffer_make(void);

/* The lines of [hpa, hpa + bytes) were flushed. True if they stay in the buffer: they reach memory when it is
 * drained; before that what is there may still be what was. */
bool write_buffer_take(uint64_t hpa, uint64_t bytes);

/* All that is in it reaches memory. */
void write_buffer_drain(void);
