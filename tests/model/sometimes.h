/* SPDX-License-Identifier: BSD-2-Clause */
/* What must have been so in some run of a scenario: else it shows less than it says. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* Fails the scenario if this is reached and never holds in all its runs. */
#define sometimes(condition) sometimes_note(__FILE__ ": " #condition, condition)

/* what must last. */
void sometimes_note(const char *what, bool holds);

/* Once, before run_save(). */
void sometimes_init(void);

/* Between scenarios: nothing is asked for yet; how much never held, and says so. */
void sometimes_begin(void);
unsigned sometimes_report(FILE *file);
