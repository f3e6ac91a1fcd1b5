/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs scenarios and prints TAP: random ones with many seeds, exhaustive ones whole, wrong ones until they
 * are found out. */
#include "lib/glob.h"
#include "lib/units.h"
#include "tests/model/choices.h"
#include "tests/model/heap.h"
#include "tests/model/history.h"
#include "tests/model/memory.h"
#include "tests/model/options.h"
#include "tests/model/run.h"
#include "tests/model/schedule_run.h"
#include "tests/model/sometimes.h"
#include "tests/model/where.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARENA_BYTES    (16 * MIB)
#define EVENTS         60
#define EVENTS_VERBOSE 4000
#define WRONG_FACTOR   20
#define SEEDS_MANY     100 /* so many must show what a scenario says it shows */
#define RUN_SECONDS    100 /* no run takes that long: one that does hangs between two points */
#define SIGNAL_STACK   (64 * KIB)
#define BYTES_MAX      (64 * KIB)

static const char *const kinds[] = {
    [SCENARIO_RANDOM] = "random",
    [SCENARIO_EXHAUSTIVE] = "exhaustive",
    [SCENARIO_WRONG] = "wrong",
};

/* Where the program is, for what ends it from outside: kept, since a run puts all data back. */
static struct {
    const char *scenario;
    uint64_t seed;
    bool interrupted;         /* by the user */
    uint8_t bytes[BYTES_MAX]; /* of --bytes */
    size_t byte_count;
} * now;

/* Handlers run on a stack of their own: an agent's may be what overflowed. */
static void set_handler(int signal, void (*handler)(int))
{
    const struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};

    sigaction(signal, &action, NULL);
}

static double seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / NS_PER_S;
}

/* What happened is told as after a violation: nothing of it was changed. */
static void crashed(int signal)
{
    set_handler(signal, SIG_DFL);
    history_print(stdout, EVENTS);
    where_print(stdout);
    printf("Bail out! %s with seed %lu ended by signal %d\n", now->scenario, (unsigned long)now->seed,
           signal);
    fflush(stdout);
    _exit(2);
}

static void interrupted(int signal)
{
    (void)signal;
    now->interrupted = true;
}

static void run_one(const struct scenario *scenario, uint64_t seed, struct outcome *outcome)
{
    alarm(RUN_SECONDS);
    now->scenario = scenario->name;
    now->seed = seed;
    run_scenario(scenario, outcome);
}

static void report(const struct options *options, const struct outcome *outcome)
{
    history_print(stdout, options->verbose ? EVENTS_VERBOSE : EVENTS);
    printf("# %s: %s\n", violation_name(outcome->violation), outcome->text);
    where_print(stdout);
}

static void explain(const struct options *options, const struct scenario *scenario, uint64_t seed,
                    const struct outcome *outcome)
{
    report(options, outcome);
    printf("# again: lull-model --only %s", scenario->name);
    if (scenario->kind != SCENARIO_EXHAUSTIVE)
        printf(" --seed %lu", (unsigned long)seed);
    putchar('\n');
}

/* Of all runs of a search. */
struct sums {
    uint64_t steps;
    uint32_t digests; /* the same when all went the same way */
};

/* The first seed of the range that ends in a violation; 0 if none does. */
static uint64_t search_seeds(const struct scenario *scenario, uint64_t first, uint64_t count,
                             struct outcome *outcome, struct sums *sums)
{
    *sums = (struct sums){0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        choices_random(seed);
        run_one(scenario, seed, outcome);
        sums->steps += outcome->steps;
        sums->digests += (uint32_t)outcome->digest;
        if (outcome->violation != VIOLATION_NONE)
            return seed;
    }
    return 0;
}

static bool try_random(const struct options *options, const struct scenario *scenario, char *summary,
                       size_t bytes)
{
    struct outcome outcome;
    struct sums sums;
    uint64_t seed = search_seeds(scenario, options->seed, options->seeds, &outcome, &sums);

    if (seed || options->one_seed)
        explain(options, scenario, options->one_seed ? options->seed : seed, &outcome);
    snprintf(summary, bytes, "%lu seeds, %lu steps each, digest %08x", (unsigned long)options->seeds,
             (unsigned long)(sums.steps / options->seeds), sums.digests);
    return !seed && !(options->seeds >= SEEDS_MANY && sometimes_report(stdout));
}

static bool try_wrong(const struct options *options, const struct scenario *scenario, char *summary,
                      size_t bytes)
{
    uint64_t most = options->one_seed ? 1 : options->seeds * WRONG_FACTOR;
    struct outcome outcome;
    struct sums sums;
    uint64_t seed = search_seeds(scenario, options->seed, most, &outcome, &sums);
    bool found = seed && outcome.violation == scenario->expected;

    if (!found || options->verbose)
        explain(options, scenario, options->one_seed ? options->seed : seed, &outcome);
    snprintf(summary, bytes, "%s, %s with seed %lu, digest %08x", violation_name(scenario->expected),
             found ? "called out" : "not called out", (unsigned long)seed, sums.digests);
    return found;
}

/* A run that a fuzzer chose. A wrong scenario need not be found out by it. */
static bool try_bytes(const struct options *options, const struct scenario *scenario, char *summary,
                      size_t bytes)
{
    struct outcome outcome;

    choices_bytes(now->bytes, now->byte_count);
    run_one(scenario, 0, &outcome);
    if (outcome.violation != VIOLATION_NONE || options->verbose)
        report(options, &outcome);
    snprintf(summary, bytes, "%lu bytes, %lu steps, digest %08x", (unsigned long)now->byte_count,
             (unsigned long)outcome.steps, (uint32_t)outcome.digest);
    return outcome.violation == VIOLATION_NONE || outcome.violation == scenario->expected;
}

static bool try_exhaustive(const struct options *options, const struct scenario *scenario, char *summary,
                           size_t bytes)
{
    struct outcome outcome;
    uint64_t runs = 0;
    unsigned most = options->deviations ? options->deviations - 1 : scenario->deviations;

    choices_exhaustive(most, options->whole);
    do {
        run_one(scenario, 0, &outcome);
        runs++;
    } while (outcome.violation == VIOLATION_NONE && choices_next());
    if (outcome.violation != VIOLATION_NONE)
        explain(options, scenario, 0, &outcome);
    snprintf(summary, bytes, "%lu schedules, all with at most %u deviations", (unsigned long)runs, most);
    return outcome.violation == VIOLATION_NONE && !sometimes_report(stdout);
}

static bool try(const struct options *options, const struct scenario *scenario, char *summary, size_t bytes)
{
    sometimes_begin();
    if (options->bytes)
        return try_bytes(options, scenario, summary, bytes);
    if (options->deviations)
        return try_exhaustive(options, scenario, summary, bytes);
    switch (scenario->kind) {
    case SCENARIO_RANDOM:
        return try_random(options, scenario, summary, bytes);
    case SCENARIO_EXHAUSTIVE:
        return try_exhaustive(options, scenario, summary, bytes);
    default:
        return try_wrong(options, scenario, summary, bytes);
    }
}

static bool selected(const struct options *options, const struct scenario *scenario)
{
    return (!options->only || glob_matches(options->only, scenario->name)) &&
           (!options->kind || strcmp(options->kind, kinds[scenario->kind]) == 0);
}

static int run_all(const struct options *options)
{
    unsigned number = 0, failed = 0;

    for_each_scenario (scenario) {
        double begin = seconds();
        char summary[120];
        bool ok;

        if (!selected(options, scenario))
            continue;
        ok = try(options, scenario, summary, sizeof summary);
        failed += !ok;
        printf("%s %u - model: %s: %s (%s, %.1f s)\n", ok ? "ok" : "not ok", ++number, scenario->name,
               scenario->what, summary, seconds() - begin);
        fflush(stdout);
    }
    printf("1..%u\n", number);
    return failed || !number;
}

/* One seed in each of the random scenarios; false when one of them is called out. */
static bool soak_seed(const struct options *options, uint64_t seed, uint64_t *runs)
{
    for_each_scenario (scenario) {
        struct outcome outcome;
        struct sums sums;

        if (scenario->kind != SCENARIO_RANDOM || !selected(options, scenario))
            continue;
        ++*runs;
        if (!search_seeds(scenario, seed, 1, &outcome, &sums))
            continue;
        explain(options, scenario, seed, &outcome);
        printf("not ok 1 - model: soak: %s with seed %lu\n1..1\n", scenario->name, (unsigned long)seed);
        return false;
    }
    return true;
}

static int soak(const struct options *options)
{
    double end = seconds() + (double)options->seconds;
    uint64_t seed = options->seed, runs = 0;

    for (; seconds() < end && !now->interrupted; seed++)
        if (!soak_seed(options, seed, &runs))
            return 1;
    printf("%s 1 - model: soak: %lu runs, seeds %lu to %lu%s\n1..1\n", runs ? "ok" : "not ok",
           (unsigned long)runs, (unsigned long)options->seed, (unsigned long)seed - 1,
           now->interrupted ? ", interrupted" : "");
    return !runs;
}

static int list(const struct options *options)
{
    for_each_scenario (scenario)
        if (selected(options, scenario))
            printf("%-10s %-38s %s%s%s\n", kinds[scenario->kind], scenario->name, scenario->what,
                   scenario->expected ? ": " : "",
                   scenario->expected ? violation_name(scenario->expected) : "");
    return 0;
}

static void read_bytes(const char *name)
{
    FILE *file = fopen(name, "rb");

    if (!file) {
        perror(name);
        exit(2);
    }
    now->byte_count = fread(now->bytes, 1, sizeof now->bytes, file);
    fclose(file);
}

static void handle_signals(bool soaks)
{
    static const int ends[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};
    const stack_t stack = {.ss_sp = run_keep(SIGNAL_STACK), .ss_size = SIGNAL_STACK};

    sigaltstack(&stack, NULL);
    for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++)
        set_handler(ends[i], crashed);
    if (!soaks)
        return;
    set_handler(SIGINT, interrupted);
    set_handler(SIGTERM, interrupted);
}

int main(int count, char **arguments)
{
    static struct options options;

    options_read(&options, count, arguments);
    if (options.list)
        return list(&options);
    now = run_keep(sizeof *now);
    heap_init();
    choices_init();
    history_init();
    sometimes_init();
    schedule_init();
    memory_init(ARENA_BYTES);
    if (options.bytes)
        read_bytes(options.bytes);
    run_save();
    handle_signals(options.seconds != 0);
    return options.seconds ? soak(&options) : run_all(&options);
}
