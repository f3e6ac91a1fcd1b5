/* SPDX-License-Identifier: BSD-2-Clause */
/* Cache lines of the arena: what of the CPUs' stores has reached memory behind the caches, where only a walk
 * that does not snoop looks. A line that was stored to may be written back at any moment; which one it was is
 * chosen when hardware looks, among all contents that the line had since. */
#pragma once

#include <stdint.h>

/* Makes the memory behind the caches, of an arena of so many bytes from hpa on. Once in a program. */
void lines_init(uint64_t hpa, uint64_t bytes);

/* A block was allocated, and zeroed in the caches: memory holds something else. */
void lines_fill_stale(uint64_t hpa, uint64_t bytes);

/* Before each store to the line of hpa: what it holds now is what an eviction until then would have left. */
void lines_before_store(uint64_t hpa);

/* The caches have room for so much only: evicts what is stored to longest ago, or forgets that it could have
 * been. */
void lines_maybe_evict(void);

/* The lines of [hpa, hpa + bytes) reach memory. */
void lines_write_back(uint64_t hpa, uint64_t bytes);

/* The aligned 64-bit word that a walk sees which does not snoop. */
uint64_t lines_read(uint64_t hpa);

/* Pages whose memory behind the caches a run begins with: kept, and brought back. */
void lines_save_page(uint64_t hpa);
void lines_restore_page(uint64_t hpa);
