/* SPDX-License-Identifier: BSD-2-Clause */
/* What no harvest can be faster than: reading the leaf tables once. And how they get out of the caches. */
#pragma once

#include <stdint.h>

/* Reads count tables of 4 KiB, in this order, with the widest loads that are common (AVX2; 64 bits where the
 * CPU has none). Returns all their words or-ed together. */
uint64_t floor_read(uint64_t *const *tables, uint64_t count);

/* Clears a bit in all their entries as fast as locked instructions can, two entries with each (cmpxchg16b).
 */
void floor_clear(uint64_t *const *tables, uint64_t count, uint64_t bit);

/* Writes back what the caches have of it, and drops it from them. */
void floor_flush(const void *memory, uint64_t bytes);
