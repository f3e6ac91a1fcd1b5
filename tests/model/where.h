/* SPDX-License-Identifier: BSD-2-Clause */
/* Where in the driver each CPU is: the compiler tells of each function that begins and ends. */
#pragma once

#include <stdio.h>

/* A function that the running agent has entered, by an address in it; and that it has left. */
void where_enter(const void *function);
void where_leave(void);

/* Each agent that is in instrumented code, a line each: innermost function first. */
void where_print(FILE *file);
