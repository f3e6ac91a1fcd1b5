/* SPDX-License-Identifier: BSD-2-Clause */
/* What the program was asked for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *only; /* scenarios whose names match this glob; NULL for all */
    const char *kind; /* "random", "exhaustive", "wrong"; NULL for all */
    uint64_t seed;    /* the first one */
    bool one_seed;    /* and the only one */
    uint64_t seeds;   /* runs of a random scenario; of a wrong one, until it is found out, 20 times as many */
    uint64_t seconds; /* a soak: random scenarios in turn until then */
    unsigned deviations; /* 1 more than asked for; 0 for what the scenario says */
    bool whole;
    const char *bytes; /* a file of choices; NULL for seeds */
    bool list;
    bool verbose; /* the history of each run that is reported */
};

/* From the command line. Ends the program for --help and for what it does not know. */
void options_read(struct options *options, int count, char **arguments);
