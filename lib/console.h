/* SPDX-License-Identifier: BSD-2-Clause */
/* Printing to the console through lib/platform.h, each call in one piece, also when several CPUs print: the
 * shell's and TAP's own words, which tests on the host read back there. */
#pragma once

#include "lib/compiler.h"

#define CONSOLE_TEXT_MAX 512

/* Cuts what is longer than CONSOLE_TEXT_MAX - 1 bytes. Any CPU, any context but an NMI. */
void console_printf(const char *format, ...) PRINTF_LIKE(1, 2);
