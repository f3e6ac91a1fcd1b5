/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for an exception. For panic.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct trap_frame;

/* Writes what happened, in one line. cr2 as it was when the exception came. */
void exception_describe(const struct trap_frame *frame, uint64_t cr2, char *text, size_t bytes);
