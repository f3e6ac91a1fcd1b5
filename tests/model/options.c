/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line. */
#include "tests/model/options.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OPTION_ONLY = 1,
    OPTION_KIND,
    OPTION_SEED,
    OPTION_SEEDS,
    OPTION_FROM,
    OPTION_SECONDS,
    OPTION_DEVIATIONS,
    OPTION_WHOLE,
    OPTION_BYTES
};

static const struct option known[] = {
    {"help", no_argument, NULL, 'h'},
    {"list", no_argument, NULL, 'l'},
    {"verbose", no_argument, NULL, 'v'},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"kind", required_argument, NULL, OPTION_KIND},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"seeds", required_argument, NULL, OPTION_SEEDS},
    {"from", required_argument, NULL, OPTION_FROM},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"deviations", required_argument, NULL, OPTION_DEVIATIONS},
    {"bytes", required_argument, NULL, OPTION_BYTES},
    {"whole", no_argument, NULL, OPTION_WHOLE},
    {0},
};

static void usage(FILE *file)
{
    fputs("lull-model: the driver on a VT-d in software, under schedules that can be replayed\n"
          "  --list             the scenarios\n"
          "  --only GLOB        those whose names match\n"
          "  --kind KIND        random, exhaustive or wrong ones\n"
          "  --seeds N          so many seeds of each random one (default 200)\n"
          "  --from N           the first of them (default 1)\n"
          "  --seed N           just this one, with its history: replays what a report names\n"
          "  --deviations N     any scenario by every schedule with at most N deviations\n"
          "  --whole            of these: interrupts agents before whatever they touch, not only what is "
          "shared\n"
          "  --bytes FILE       each scenario once, with the choices that its bytes make, as a fuzzer has "
          "them\n"
          "  --seconds N        a soak: ever new seeds of the random ones, for so long\n"
          "  --verbose          a longer history with each report\n"
          "LULL_MUTANT=NAME in the environment leaves one guard of the driver out (lib/mutant.h).\n",
          file);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 0);

    if (*end || end == text) {
        fprintf(stderr, "lull-model: '%s' is no number\n", text);
        exit(2);
    }
    return value;
}

static void take(struct options *options, int option, const char *argument)
{
    switch (option) {
    case 'h':
        usage(stdout);
        exit(0);
    case 'l':
        options->list = true;
        break;
    case 'v':
        options->verbose = true;
        break;
    case OPTION_ONLY:
        options->only = argument;
        break;
    case OPTION_KIND:
        options->kind = argument;
        break;
    case OPTION_SEED:
        options->one_seed = options->verbose = true;
        options->seeds = 1;
        options->seed = number(argument);
        break;
    case OPTION_SEEDS:
        options->seeds = number(argument);
        break;
    case OPTION_FROM:
        options->seed = number(argument);
        break;
    case OPTION_SECONDS:
        options->seconds = number(argument);
        break;
    case OPTION_DEVIATIONS:
        options->deviations = (unsigned)number(argument) + 1;
        break;
    case OPTION_BYTES:
        options->bytes = argument;
        break;
    case OPTION_WHOLE:
        options->whole = true;
        break;
    default:
        usage(stderr);
        exit(2);
    }
}

void options_read(struct options *options, int count, char **arguments)
{
    int option;

    *options = (struct options){.seed = 1, .seeds = 200};
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1)
        take(options, option, optarg);
    if (optind < count) {
        fprintf(stderr, "lull-model: what is '%s'?\n", arguments[optind]);
        exit(2);
    }
}
