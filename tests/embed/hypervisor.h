/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the example know of each other: its platform (platform.c), its program (example.c), and
 * how a guest is copied (migrate.c). */
#pragma once

#include "lib/units.h"
#include <stdbool.h>
#include <stdint.h>

struct iommu_domain;

/* Who has which memory, in physical addresses: Lull's allocator what it is given, guests the rest. */
#define LULL_HPA  0x100000ull
#define LULL_END  0x2000000ull
#define GUEST_HPA 0x2000000ull
#define GUEST_END 0x4000000ull

/* The guest's own addresses. */
#define GUEST_BYTES (4 * MIB)
#define GUEST_LAST  (GUEST_BYTES - 1)

/* Reserves a vector that calls handler(context) on CPU 0. 0 when none is left. */
uint8_t vector_alloc(void (*handler)(void *context), void *context);

/* A message has reached CPU 0: the machine's callback. */
void vector_raise(uint64_t address, uint32_t data);

/* The calling thread is this CPU. */
void cpu_set(unsigned cpu);

/* Waits for an interrupt, for a short while. */
void cpu_sleep(void);

/* Copies the guest whose devices are in this domain while it runs, and says what was copied when. */
int migrate(struct iommu_domain *domain);
