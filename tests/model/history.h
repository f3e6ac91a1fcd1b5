/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened before: kept as it comes, put into words only when somebody asks. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#define HISTORY_ARGUMENTS 6

/* Notes an event of the agent that runs. format and what a %s points to must last; all arguments are 64 bits
 * wide (%lx, %lu, %s) and there are at most six. */
#define history(format, ...) history_note(format, (const uint64_t[HISTORY_ARGUMENTS]){__VA_ARGS__})

/* A string as an argument of history(). */
#define history_text(text) ((uint64_t)(uintptr_t)(text))

void history_note(const char *format, const uint64_t arguments[HISTORY_ARGUMENTS]);

/* The newest events, oldest first, each as "step agent: event". */
void history_print(FILE *file, unsigned events);

/* Of all events of the run: the same in each run that went the same way. */
uint64_t history_digest(void);

/* Once, before run_save(). */
void history_init(void);
