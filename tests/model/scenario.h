/* SPDX-License-Identifier: BSD-2-Clause */
/* A scenario: a machine, agents, and what must be so at the end. They register themselves. */
#pragma once

#include "lib/compiler.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"
#include <stdint.h>

enum scenario_kind {
    SCENARIO_RANDOM,     /* run with many seeds */
    SCENARIO_EXHAUSTIVE, /* every schedule with at most so many deviations */
    SCENARIO_WRONG,      /* a driver that is wrong on purpose: some seed must end in `expected` */
};

struct scenario {
    const char *name;
    const char *what; /* what it shows, as a sentence */
    enum scenario_kind kind;
    unsigned deviations;     /* SCENARIO_EXHAUSTIVE */
    enum violation expected; /* SCENARIO_WRONG */
    void (*run)(void);       /* CPU 0, calm at first */
};

/* Pointers, since a compiler may align the structures themselves as it likes. */
#define SCENARIO(scenario_name, ...)                                                                         \
    static void scenario_name(void);                                                                         \
    static const struct scenario scenario_##scenario_name = {                                                \
        .name = #scenario_name, .run = scenario_name, __VA_ARGS__};                                          \
    static const struct scenario *const listed_##scenario_name SECTION("scenarios") USED =                   \
        &scenario_##scenario_name;                                                                           \
    static void scenario_name(void)

#define for_each_scenario(scenario)                                                                          \
    for (const struct scenario *const *listed_ = __start_scenarios, *scenario;                               \
         listed_ < __stop_scenarios && (scenario = *listed_); listed_++)

extern const struct scenario *const __start_scenarios[];
extern const struct scenario *const __stop_scenarios[];
