/* SPDX-License-Identifier: BSD-2-Clause */
/* Which cache lines of a table have something to look at. This is what a harvest of clean pages does all the
 * time, so it goes by the widest loads that the CPU has. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PT_LINE_ENTRIES 8u /* of a cache line */

enum pt_scan { PT_SCAN_PLAIN, PT_SCAN_AVX2 };

/* Bit n of the result: one of the entries of line n of the table, 8 of them from 8 * n on, has a bit of mask.
 * Each entry is read once, on its own or with others; hardware may set bits meanwhile, and what it sets after
 * an entry was read is for the next one who asks. Any context. */
extern uint64_t (*pt_scan_lines)(const uint64_t *table, uint64_t mask);

/* Chooses how that is done from now on; plain until then. The caller knows that all CPUs have AVX2 and have
 * it switched on (CR4.OSXSAVE, XCR0). The vector registers that it uses are put back as they were, 256 bits
 * of each, so they may be a guest's while XCR0 has no more than x87, SSE and AVX. With AVX-512 on (bits 5 to
 * 7) the upper halves of ZMM0 to ZMM5 are lost: who runs a guest with another XCR0 puts such a one back
 * before anything is harvested. Once, before tables are harvested; and by tests. */
void pt_scan_select(enum pt_scan scan);

/* What PT_SCAN_AVX2 stands for. */
uint64_t pt_scan_avx2(const uint64_t *table, uint64_t mask);
