/* SPDX-License-Identifier: BSD-2-Clause */
/* The command "demo": devices write random pages of a mapped gigabyte, harvests report them, and the books
 * tell if all were. */

#include "tests/target/demo.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "lib/shell.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASSES_DEFAULT 10
#define NUMBER_MAX     100000

/* "20" is a number of passes, "20s" of seconds. */
static int parse_length(const char *text, struct demo_length *length)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (end == text || number == 0 || number > NUMBER_MAX)
        return ERR_INVALID;
    *length = (struct demo_length){0};
    if (!strcmp(end, "s"))
        length->seconds = (unsigned)number;
    else if (!*end)
        length->passes = (unsigned)number;
    else
        return ERR_INVALID;
    return 0;
}

static int parse_seed(const char *text, uint64_t *seed)
{
    char *end;

    *seed = strtoull(text, &end, 0);
    return end == text || *end ? ERR_INVALID : 0;
}

static int parse(int argc, char **argv, struct demo_length *length, uint64_t *seed)
{
    *length = (struct demo_length){.passes = PASSES_DEFAULT};
    *seed = platform_time_ns() & 0xffffffff;
    if (argc > 3 || (argc == 3 && parse_seed(argv[2], seed)))
        return ERR_INVALID;
    return argc > 1 ? parse_length(argv[1], length) : 0;
}

static void print_summary(const struct demo_outcome *outcome)
{
    printf("demo: %" PRIu64 " commands, %" PRIu64 " of them edu's, told devices to write %" PRIu64
           " pages; %" PRIu64 " judged, %" PRIu64 " reported in %u passes\n",
           outcome->commands, outcome->edu_commands, outcome->submitted, outcome->judged, outcome->reported,
           outcome->passes);
    printf("demo: %" PRIu64 " rounds of mapping neighbours, %" PRIu64 " writes into them, %" PRIu64
           " in the wrong page; %" PRIu64 " table pages freed\n",
           outcome->rounds, outcome->probes, outcome->strays, outcome->tables_freed);
}

static int demo_all(struct demo *demo)
{
    int error = demo_setup(demo);
    int down;

    if (error)
        return error;
    demo->outcome.error = demo_run(demo);
    down = demo_teardown(demo);
    if (!demo->outcome.error)
        demo->outcome.error = down;
    print_summary(&demo->outcome);
    return demo_verdict(&demo->outcome) ? 0 : ERR_HARDWARE;
}

static int demo_command(int argc, char **argv)
{
    /* Allocated before memory is counted, and freed after. */
    struct demo *demo = calloc(1, sizeof(*demo));
    int error;

    if (!demo)
        return ERR_NOMEM;
    error = parse(argc, argv, &demo->length, &demo->seed);
    if (!error)
        error = demo_all(demo);
    free(demo);
    return error;
}

SHELL_COMMAND("demo", "[PASSES|SECONDSs [SEED]]", "devices write random pages; are all of them reported?",
              demo_command);
