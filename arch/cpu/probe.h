/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses that may fault: a page fault there ends the access instead of the run. For tests of the mappings.
 */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct trap_frame;

/* Reads a byte; writes it back as it was. False if that faults. Any context. */
bool probe_read(const volatile void *address) MUST_CHECK;
bool probe_write(volatile void *address) MUST_CHECK;

/* If this page fault is one of those accesses, makes it return false, and is true. For interrupt.c. */
bool probe_fixup(struct trap_frame *frame);
