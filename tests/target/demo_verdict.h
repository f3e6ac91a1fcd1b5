/* SPDX-License-Identifier: BSD-2-Clause */
/* What the demo came to: every figure that the verdict rests on, and the line that says it. */
#pragma once

#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/rcu_pages.h"
#include <stdbool.h>
#include <stdint.h>

/* The state of the machine at one time of the demo. */
struct demo_snapshot {
    struct page_alloc_stats pages;
    struct rcu_pages_stats rcu;
    uint64_t faults;
};

struct demo_outcome {
    int error; /* what ended the demo early; 0: it ran to its end */
    unsigned passes;
    uint64_t submitted; /* page writes */
    uint64_t judged;
    uint64_t reported;
    uint64_t missed;
    uint64_t extra;
    uint64_t commands;
    uint64_t edu_commands; /* of these */
    uint64_t failed_commands;
    uint64_t rounds;
    bool probing; /* the controller has a queue for probes */
    uint64_t probes;
    uint64_t strays;
    uint64_t freed_meanwhile; /* table pages freed until the last pass had ended */
    uint64_t tables_freed;    /* as the domain counts them, in the end */
    uint64_t quarantined;
    struct demo_snapshot before;
    struct demo_snapshot settled; /* all is unmapped; the domain is there still, with its root and what is
                                     above the leaves' tables */
    struct demo_snapshot after;
};

/* Waits for all that RCU owes, then fills in snapshot. Callers as for rcu_barrier(). */
void demo_snapshot(struct demo_snapshot *snapshot);

/* Prints the verdict with its reasons; returns whether it is PASS. */
bool demo_verdict(const struct demo_outcome *outcome);
