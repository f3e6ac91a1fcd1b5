/* SPDX-License-Identifier: BSD-2-Clause */
/* Units to test with, by what they can do. */
#pragma once

#include "tests/model/unit.h"

/* Scalable mode, first and second stage, all coherent, accessed and dirty in both: the newest. Version 6. */
extern const struct unit_config unit_modern;

/* Like unit_modern, but table walks and tables are not coherent (ECAP.C, SMPWC clear), as QEMU says of its
 * own. Version 1. */
extern const struct unit_config unit_incoherent;

/* Like unit_modern, but time-outs of devices come without a name. */
extern const struct unit_config unit_names_nobody;

/* Like unit_modern with caching mode. */
extern const struct unit_config unit_caching_mode;

/* Like unit_modern, with address masks of 2 MiB at most; and without page-selective invalidation. */
extern const struct unit_config unit_small_mask;
extern const struct unit_config unit_no_page_selective;

/* Like unit_modern, without second stage and all that belongs to it (ECAP.SSTS). */
extern const struct unit_config unit_first_stage_only;

/* Like unit_modern, with first- and second-stage tables of five levels. */
extern const struct unit_config unit_five_levels;

/* Legacy mode only: second stage, 3 and 4 levels, no snoop of tables, write buffer to be flushed (RWBF),
 * drains only when asked to (DWD, DRD). Version 1. */
extern const struct unit_config unit_old;

/* The same without a write buffer. */
extern const struct unit_config unit_legacy;

/* Those that have a stage in scalable mode, and those that can be run in legacy mode. The first three are the
 * most different from each other. Each ends with NULL. */
extern const struct unit_config *const unit_configs_first_stage[];
extern const struct unit_config *const unit_configs_second_stage[];
extern const struct unit_config *const unit_configs_legacy[];
