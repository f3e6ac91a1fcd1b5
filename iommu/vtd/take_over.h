/* SPDX-License-Identifier: BSD-2-Clause */
/* A unit that firmware, or the system before this one, left in use: what it was found with, and how it
 * changes hands without DMA that nobody checks (docs/design.md, "Take-over"). */
#pragma once

#include "iommu/vtd/unit.h"
#include "lib/compiler.h"

/* Notes what is on, and says so in the log. For vtd_unit_open(), after the capabilities. */
void vtd_take_over_look(struct vtd_unit *unit);

/* Translation was found on, and never goes off while the unit changes hands: its devices may go on. */
bool vtd_take_over_is_live(const struct vtd_unit *unit);

/* Its queue was found in scalable mode, in which it takes descriptors of 256 bits only. */
bool vtd_take_over_needs_wide_queue(const struct vtd_unit *unit);

/* Masks the events of invalidations and page requests, which nobody here asks for. */
void vtd_take_over_silence(struct vtd_unit *unit);

/* Lets the queue that was found on run dry, and switches it off (6.5.2). The log says what is wrong.
 * ERR_TIMEOUT, ERR_NOMEM. */
int vtd_take_over_queue(struct vtd_unit *unit) MUST_CHECK;

/* Where translation was found on and is not live, switches it off, behind a cover if there is one, and says
 * which. ERR_TIMEOUT; ERR_UNSUPPORTED: a device of the unit has bus mastering on, and nothing covers it. */
int vtd_take_over_open_gap(struct vtd_unit *unit) MUST_CHECK;

/* Drains and switches off the page requests that were left on, when devices send none any more. ERR_TIMEOUT,
 * ERR_HARDWARE. */
int vtd_take_over_page_requests(struct vtd_unit *unit) MUST_CHECK;

/* Protected regions, firmware's or a gap's, go when translation protects: they would block what tables allow.
 * ERR_TIMEOUT. */
int vtd_take_over_end(struct vtd_unit *unit) MUST_CHECK;
