/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the example know of each other: its platform (platform.c) and its program (example.c). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Who has which memory, in physical addresses: Lull's allocator what it is given, guests the rest. */
#define LULL_HPA  0x100000ull
#define LULL_END  0x2000000ull
#define GUEST_HPA 0x2000000ull
#define GUEST_END 0x4000000ull

/* Reserves a vector that calls handler(context) on CPU 0. 0 when none is left. */
uint8_t vector_alloc(void (*handler)(void *context), void *context);

/* A message has reached CPU 0: the machine's callback. */
void vector_raise(uint64_t address, uint32_t data);

/* The calling thread is this CPU. */
void cpu_set(unsigned cpu);

/* Waits for an interrupt, for a short while. */
void cpu_sleep(void);
