/* SPDX-License-Identifier: BSD-2-Clause */
/* The model as a server of the fuzzer of schedules: a run for each request, and what the driver did in it as
 * counters. What is wrong is told on the standard output, with its history. */
#include "lib/units.h"
#include "tests/fuzz/schedules.h"
#include "tests/model/choices.h"
#include "tests/model/heap.h"
#include "tests/model/history.h"
#include "tests/model/memory.h"
#include "tests/model/run.h"
#include "tests/model/schedule_run.h"
#include "tests/model/sometimes.h"
#include "tests/model/where.h"
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_BYTES (16 * MIB) /* as main.c of the model has it */
#define EVENTS      60
#define HEAD_BYTES  2 /* which scenario */

static struct schedules_shared *shared;

void __sanitizer_cov_trace_pc(void);

/* The compiler calls this at each edge of the software under test. What counts is the edge, and when somebody
 * else ran before, the pair of edges: which schedule it was. */
void __sanitizer_cov_trace_pc(void)
{
    static const struct agent *last_agent;
    static uint32_t last_pc;
    uint32_t pc = (uint32_t)(uintptr_t)__builtin_return_address(0);
    const struct agent *agent = agent_current();
    uint32_t hash = pc * 0x9e3779b1u;

    if (!agent)
        return;
    shared->counters[hash >> 16]++;
    if (last_agent && agent != last_agent)
        shared->counters[(hash ^ last_pc * 0x85ebca6bu) >> 16]++;
    last_agent = agent;
    last_pc = pc;
}

/* Random scenarios are the ones that the driver must pass with any choices. */
static const struct scenario *choose(unsigned number)
{
    unsigned count = 0;

    for_each_scenario (scenario)
        count += scenario->kind == SCENARIO_RANDOM;
    number %= count ? count : 1;
    for_each_scenario (scenario)
        if (scenario->kind == SCENARIO_RANDOM && number-- == 0)
            return scenario;
    return NULL;
}

static void run(void)
{
    const uint8_t *input = shared->input;
    const struct scenario *scenario = choose(input[0] | (unsigned)input[1] << 8);
    struct outcome outcome;

    choices_bytes(input + HEAD_BYTES, shared->count - HEAD_BYTES);
    run_scenario(scenario, &outcome);
    shared->violation = outcome.violation;
    if (outcome.violation == VIOLATION_NONE)
        return;
    history_print(stdout, EVENTS);
    printf("%s: %s: %s\n", scenario->name, violation_name(outcome.violation), outcome.text);
    where_print(stdout);
    fflush(stdout);
}

int main(void)
{
    uint8_t byte;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, SCHEDULES_SHARED, 0);
    if (shared == MAP_FAILED)
        run_broken("no memory shared with the fuzzer");
    heap_init();
    choices_init();
    history_init();
    sometimes_init();
    schedule_init();
    memory_init(ARENA_BYTES);
    run_save();
    while (read(SCHEDULES_REQUEST, &byte, 1) == 1) {
        run();
        if (write(SCHEDULES_ANSWER, &byte, 1) != 1)
            return 1;
    }
    return 0;
}
