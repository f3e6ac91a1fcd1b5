/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest driver that is right: what the tests of the model itself stand on, so that a wrong one is one
 * wrong line. Everything goes through lib/platform.h and plain stores, as a driver's accesses do. All of it
 * is for one CPU and one unit, and is told the unit where it could be several. */
#pragma once

#include "tests/model/machine.h"
#include <stdbool.h>
#include <stdint.h>

/* --- bare_unit.c: registers and queue --- */

uint32_t bare_read32(struct unit *unit, unsigned offset);
uint64_t bare_read64(struct unit *unit, unsigned offset);
void bare_write32(struct unit *unit, unsigned offset, uint32_t value);
void bare_write64(struct unit *unit, unsigned offset, uint64_t value);

/* One command, by the rules, and waits until GSTS shows it. */
void bare_command(struct unit *unit, uint32_t bit, bool on);

/* Sets the root table (mode bits included) and latches it. */
void bare_set_root(struct unit *unit, uint64_t rtaddr);

/* Makes a queue of 128- or 256-bit descriptors (one page) and switches it on. */
void bare_start_queue(struct unit *unit, bool wide);

/* Puts a descriptor into the queue and moves the tail; and the same without moving it. */
void bare_submit(struct unit *unit, uint64_t word0, uint64_t word1);
void bare_put(struct unit *unit, uint64_t word0, uint64_t word1);
void bare_kick(struct unit *unit);

/* Submits a wait descriptor and waits until its status is written. False if that does not happen in time. */
bool bare_wait(struct unit *unit);

/* Everything that can be cached goes, in the right order, and the wait for it. */
void bare_invalidate_all(struct unit *unit);

/* Machine of one such unit, with nothing on. */
struct unit *bare_make(const struct unit_config *config);

/* What RTADDR holds for an empty root table of scalable mode. */
uint64_t bare_scalable_root(struct unit *unit);

/* Machine of one such unit, root table of that mode, queue on, everything invalidated, translation on. */
struct unit *bare_start(const struct unit_config *config, bool scalable);

/* --- bare_tables.c: tables in memory. Whatever the unit does not snoop is flushed. --- */

/* A zeroed page for a table. */
uint64_t *bare_table(struct unit *unit);

/* The same by its physical address. */
uint64_t bare_table_hpa(struct unit *unit);

/* The context entry of a device, its table made and linked where needed. */
uint64_t *bare_context(struct unit *unit, uint16_t source_id);

/* The PASID entry of a device in scalable mode, directory and table made and linked where needed (context
 * entry present, RID_PASID 0, PASIDs enabled). */
uint64_t *bare_pasid(struct unit *unit, uint16_t source_id, uint32_t pasid);

enum bare_stage { BARE_FIRST_STAGE, BARE_SECOND_STAGE, BARE_PASS_THROUGH };

/* Makes a device's entry present (in scalable mode PASID 0's): through the tree at root. dirty: SSADE in
 * second stage; ats: translation requests allowed. By the mode that the unit is in. */
void bare_attach(struct unit *unit, uint16_t source_id, enum bare_stage stage, uint16_t did, uint64_t *root,
                 unsigned levels, bool dirty, bool ats);

/* The same for one PASID in scalable mode. */
void bare_attach_pasid(struct unit *unit, uint16_t source_id, uint32_t pasid, enum bare_stage stage,
                       uint16_t did, uint64_t *root, unsigned levels, bool dirty);

/* The words that these store into a context entry of legacy mode, and a PASID entry; and how: the last word
 * first, so that the one with the present bit comes last. */
void bare_legacy_words(const struct unit *unit, enum bare_stage stage, uint16_t did, const uint64_t *root,
                       unsigned levels, bool ats, uint64_t words[2]);
void bare_pasid_words(const struct unit *unit, enum bare_stage stage, uint16_t did, const uint64_t *root,
                      unsigned levels, bool dirty, uint64_t words[3]);
void bare_set_words(struct unit *unit, uint64_t *entry, const uint64_t *words, unsigned count);

/* The entry at level (0: 4 KiB) on iova's path in a tree of so many levels whose tables are made where
 * needed. Entries of the second stage where second is set, else of the first. */
uint64_t *bare_slot(struct unit *unit, uint64_t *root, unsigned levels, uint64_t iova, unsigned level,
                    bool second);

/* A present, readable and writable leaf for that slot, accessed and dirty clear. On units whose walks do not
 * snoop a leaf of the first stage needs both set. */
uint64_t bare_leaf(uint64_t hpa, unsigned level, bool second);

/* Stores an entry and flushes it where the unit does not snoop. */
void bare_set(struct unit *unit, uint64_t *slot, uint64_t entry);

/* Memory that devices may reach: the HPA of 2^order pages. */
uint64_t bare_dma_memory(unsigned order);

/* --- bare_watch.c: pages that software believes to be out of reach --- */

struct device;

/* The device's accesses are looked at as they land. */
void bare_watch(struct device *device);

/* From now on an access to iova's page that lands is VIOLATION_STALE. */
void bare_forbid(uint64_t iova);
