/* SPDX-License-Identifier: BSD-2-Clause */
/* Agents that run as coroutines, one step at a time, in an order that one stream of choices decides: a seed's
 * random numbers, bytes, or each possible choice in turn. The same stream gives the same run. */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

/* What an agent is about to do when it may be interrupted. */
enum point {
    POINT_READ,     /* software reads memory that hardware may read or write, by a plain access */
    POINT_WRITE,    /* the same, a store */
    POINT_ATOMIC,   /* an atomic access of software, to anything */
    POINT_FENCE,    /* a full fence */
    POINT_FLUSH,    /* a cache-line flush */
    POINT_MMIO,     /* a register access */
    POINT_HARDWARE, /* hardware reads or changes memory, or goes on with what it does */
};

enum agent_kind {
    AGENT_CPU,      /* runs the driver; has a CPU number */
    AGENT_DEVICE,   /* issues requests; the run lasts until it ends */
    AGENT_HARDWARE, /* serves others: runs for ever, and ends with the run */
};

struct agent;

#define SCHEDULE_AGENTS_MAX 24

/* Starts an agent, which runs main(context); a CPU or a device that is started while calm begins when that
 * ends, or when somebody joins it. cpu is its number where kind is AGENT_CPU, else ignored. The
 * name is kept, not copied. */
struct agent *agent_start(enum agent_kind kind, unsigned cpu, const char *name, void (*main)(void *context),
                          void *context);

/* Waits until the agent's main has returned. */
void agent_join(struct agent *agent);

/* Who runs now; NULL while no run is on. */
struct agent *agent_current(void);
const char *agent_name(const struct agent *agent);
enum agent_kind agent_kind(const struct agent *agent);

/* Below SCHEDULE_AGENTS_MAX, in the order in which they were started. */
unsigned agent_number(const struct agent *agent);

/* Of a CPU. */
unsigned agent_cpu(const struct agent *agent);

/* Another agent may run here, before the access to address (NULL where there is none) is made. */
void schedule_point(enum point kind, const volatile void *address);

/* The agent that runs frees the page: that is as if it stored to all of it. */
void schedule_page_freed(const volatile void *page);

/* The agent goes on once ready(context) holds. ready only looks. */
void schedule_wait(bool (*ready)(void *context), void *context, const char *what);

/* One turn of a loop that waits for somebody else, whom it lets run. When all wait like this, time jumps. */
void schedule_relax(void);

/* Any of 0 to count - 1 (count at least 1): what hardware does where the specification leaves it to it. */
unsigned schedule_choose(unsigned count);

/* True once in `in` times; where all answers are tried, both. */
bool schedule_chance(unsigned in);

/* While calm, agents are interrupted only where they wait, and choices are 0: for what a scenario sets up and
 * tears down. A run begins calm. */
void schedule_set_calm(bool calm);
bool schedule_is_calm(void);

/* Points passed since the run began: the model's clock for what came before what. */
uint64_t schedule_step(void);

/* Nanoseconds that this agent's clock shows; it moves a little at each look. */
uint64_t schedule_time_ns(void);
