/* SPDX-License-Identifier: BSD-2-Clause */
/* A tree as hardware sees it: a walker of its own that knows nothing of lib/pt, for tests to play a device
 * with. */
#pragma once

#include "lib/pt/pt.h"
#include <stdbool.h>
#include <stdint.h>

/* Where the walker reads tables: the arena, or the copy of it that holds only what was flushed to memory. */
struct tree_view {
    uint64_t *(*at)(uint64_t hpa);
};

extern const struct tree_view tree_through_cache;
extern const struct tree_view tree_in_memory;

/* Begins to keep a copy of the arena that platform_cache_flush() alone brings up to date (bytes as
 * host_memory_init() had). */
void tree_watch_flushes(uint64_t bytes);

/* Translates as an x86-64 walker does and sets accessed and, for a write, dirty, as it goes, atomically.
 * False if not present or not allowed. */
bool tree_access(const struct tree_view *view, const struct pt *pt, uint64_t iova, bool write, uint64_t *hpa);
