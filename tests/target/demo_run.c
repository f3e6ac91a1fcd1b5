/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo: pass after pass, while devices write and the neighbour maps and unmaps. */

#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/target/demo.h"
#include <inttypes.h>
#include <stdio.h>

/* Page writes submitted before a pass, and as many again as it begins, so that devices write while it runs.
 * Not many more, since QEMU's units cache 1024 translations and then forget them all: a harvest that does not
 * invalidate would go unseen. */
#define WRITES_BEFORE 128u
#define WRITES_DURING 128u

/* So many commands are with the devices when a pass begins. */
#define OUT_AT_PASS 4u

/* A pass begins this long after the one before at the earliest, so that edu's writes take part in most. */
#define PASS_PERIOD_NS (100 * NS_PER_MS)

#define WAIT_NS (30 * NS_PER_S)

/* One turn of CPU 0: the writer's, and then of the roles that may share the CPU. */
static int step(struct demo *demo)
{
    int error = demo_writer_step(&demo->writer);

    event_step();
    if (!error && demo_neighbours_done(&demo->neighbours))
        error = demo->neighbours.error;
    return error;
}

/* Turns until condition; an int: 0 or the error. */
#define STEP_UNTIL(demo, condition, what)                                                                    \
    ({                                                                                                       \
        int step_error_ = 0;                                                                                 \
        if (!wait_until((step_error_ = step(demo)) || (condition), WAIT_NS)) {                               \
            log_error("demo: %s in %u s", (what), (unsigned)(WAIT_NS / NS_PER_S));                           \
            step_error_ = ERR_TIMEOUT;                                                                       \
        }                                                                                                    \
        step_error_;                                                                                         \
    })

static void print_pass(struct demo *demo)
{
    const struct ledger_pass *pass = &demo->harvester.pass;
    const struct rcu_pages_stats *before = &demo->outcome.before.rcu;
    uint64_t harvest_us = demo->harvester.harvest_ns / NS_PER_US;
    struct rcu_pages_stats rcu;

    rcu_pages_stats(&rcu);
    if (pass->number % 20 == 1)
        printf("pass     told  reported  missed   extra       us  tables freed  waiting\n");
    printf("%4u %8u  %8u  %6u  %6u  %7" PRIu64 "  %12" PRIu64 "  %7" PRIu64 "\n", pass->number, pass->told,
           pass->reported, pass->missed, pass->extra, harvest_us, rcu.freed - before->freed,
           rcu.queued - rcu.freed);
}

static int run_pass(struct demo *demo)
{
    struct demo_outcome *outcome = &demo->outcome;
    int error;

    demo_harvester_start(&demo->harvester);
    error = STEP_UNTIL(demo, demo_harvester_done(&demo->harvester), "a pass did not end");
    if (error)
        return error;
    outcome->passes++;
    outcome->reported += demo->harvester.pass.reported;
    outcome->missed += demo->harvester.pass.missed;
    outcome->extra += demo->harvester.pass.extra;
    print_pass(demo);
    return demo->harvester.error;
}

static bool long_enough(const struct demo *demo, uint64_t start_ns)
{
    if (demo->length.passes)
        return demo->outcome.passes >= demo->length.passes;
    return platform_time_ns() - start_ns >= demo->length.seconds * NS_PER_S;
}

static int run_passes(struct demo *demo)
{
    uint64_t start_ns = platform_time_ns();
    int error = 0;

    while (!error && !long_enough(demo, start_ns)) {
        uint64_t next_ns = platform_time_ns() + PASS_PERIOD_NS;

        demo_writer_allow(&demo->writer, WRITES_BEFORE);
        error = STEP_UNTIL(demo, !demo->writer.allowed && platform_time_ns() >= next_ns,
                           "the devices did not write what they were told to");
        demo_writer_allow(&demo->writer, WRITES_DURING);
        if (!error)
            error = STEP_UNTIL(demo, demo->writer.commands_out >= OUT_AT_PASS || !demo->writer.allowed,
                               "the devices take no commands");
        if (!error)
            error = run_pass(demo);
    }
    return error;
}

/* With every command completed the first of two passes settles the books; the second has nothing left to
 * find. */
static int run_last_passes(struct demo *demo)
{
    int error;

    demo_writer_stop(&demo->writer);
    error = STEP_UNTIL(demo, demo_writer_idle(&demo->writer), "the last commands did not complete");
    for (unsigned i = 0; !error && i < 2; i++)
        error = run_pass(demo);
    return error;
}

/* Also after an error: a role that runs on must not find its memory gone. */
static void stop_roles(struct demo *demo)
{
    bool ended;

    demo_neighbours_stop(&demo->neighbours);
    ended = wait_until((event_step(), demo_neighbours_done(&demo->neighbours)), WAIT_NS) &&
            wait_until((event_step(), demo_harvester_done(&demo->harvester)), WAIT_NS);
    if (!ended)
        platform_panic("demo: a role did not end in %u s", (unsigned)(WAIT_NS / NS_PER_S));
}

int demo_run(struct demo *demo)
{
    struct demo_outcome *outcome = &demo->outcome;
    struct rcu_pages_stats rcu;
    int error = demo_harvester_prime(&demo->harvester);

    if (error)
        return error;
    demo_neighbours_start(&demo->neighbours);
    error = run_passes(demo);
    if (!error)
        error = run_last_passes(demo);
    rcu_pages_stats(&rcu);
    outcome->freed_meanwhile = rcu.freed - outcome->before.rcu.freed;
    stop_roles(demo);
    ledger_totals(&demo->ledger, &outcome->submitted, &outcome->judged);
    outcome->commands = demo->writer.commands;
    outcome->edu_commands = demo->writer.edu_writes;
    outcome->failed_commands = demo->writer.failed;
    outcome->rounds = demo->neighbours.rounds;
    outcome->probing = demo->neighbours.nvme;
    outcome->probes = demo->neighbours.probes;
    outcome->strays = demo->neighbours.strays;
    return error ? error : demo->neighbours.error;
}
