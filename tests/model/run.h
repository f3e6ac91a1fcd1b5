/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of a scenario from a fixed state of all memory, and how it ended. */
#pragma once

#include "lib/compiler.h"
#include "tests/model/scenario.h"
#include <stddef.h>
#include <stdint.h>

struct outcome {
    enum violation violation;
    char text[512]; /* what was wrong */
    uint64_t steps;
    uint64_t digest; /* of its history */
};

/* Memory that no run changes back: zeroed, and never given back. Before run_save() only. */
void *run_keep(size_t bytes);

/* What every run begins with: all data, the heap, the arena. Once. */
void run_save(void);

/* Runs a scenario with the choices that were set. */
void run_scenario(const struct scenario *scenario, struct outcome *outcome);

/* Where the run that is under way notes how it ended. */
struct outcome *run_outcome(void);

/* The model itself is broken: ends the program. */
NORETURN void run_broken(const char *format, ...) PRINTF_LIKE(1, 2);
