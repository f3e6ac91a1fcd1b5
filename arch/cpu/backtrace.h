/* SPDX-License-Identifier: BSD-2-Clause */
/* Names for addresses of code, and who called whom. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Writes "name+0x12" (or "?") for an address of code. Any context. */
void backtrace_name(uint64_t address, char *text, size_t bytes);

/* Return addresses from a frame pointer up, at most max of them; returns how many. Follows only what is
 * mapped. Any context. */
unsigned backtrace_walk(uint64_t frame_pointer, uint64_t *addresses, unsigned max);
