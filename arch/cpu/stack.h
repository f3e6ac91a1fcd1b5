/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks, each with an unmapped guard page below it: who runs over the end faults, and the panic says so. */
#pragma once

#define STACK_PAGES     16 /* a CPU's own stack */
#define STACK_IST_PAGES 4  /* a stack for one kind of exception */

#ifndef __ASSEMBLER__
#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

/* CPU 0's stacks are in the image: they are needed before there is an allocator. Tops, as for stack_alloc().
 */
uintptr_t stack_boot_top(void);
uintptr_t stack_boot_ist_top(unsigned ist);

/* Unmaps the guard pages of CPU 0's stacks. Once, on CPU 0, before there are others. */
void stack_guard_boot(void);

/* A new stack of this many pages, at most STACK_PAGES; returns its top (the address above its last byte), 0
 * when out of memory. There is no free. One CPU at a time. */
uintptr_t stack_alloc(unsigned pages) MUST_CHECK;

/* True if address lies in the guard page of some stack. Any context. */
bool stack_is_guard(uintptr_t address);
#endif
