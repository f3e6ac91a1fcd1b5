/* SPDX-License-Identifier: BSD-2-Clause */
/* The command "track": trackers and passes, for people and for programs. On the console's CPU. */
#pragma once

#include "lib/tracker.h"
#include <stdbool.h>

/* What a pass came to, and the ranges of pages in its report, the first few of them. */
void track_print_pass(const struct tracker_pass *pass, const struct dirty_bitmap *report);
void track_print_pass_json(const struct tracker_pass *pass, const struct dirty_bitmap *report);

/* A line for each tracker. */
void track_print_all(bool json);
