/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts that tests wait for: how many came, and where. */
#pragma once

#include "lib/units.h"
#include <stdbool.h>
#include <stdint.h>

#define ARRIVAL_NS (2 * NS_PER_S)
#define SILENCE_NS (50 * NS_PER_MS) /* an interrupt that is to come takes microseconds */

struct arrivals {
    uint32_t count; /* atomic, as the next one */
    uint32_t cpu;   /* that took the newest */
};

/* The handler; its context is a struct arrivals. */
void arrivals_handler(void *context);

uint32_t arrivals_count(const struct arrivals *arrivals);

/* Runs events until there are more than `before`, for at most ns. Whether there are. */
bool arrivals_wait(const struct arrivals *arrivals, uint32_t before, uint64_t ns);
