/* SPDX-License-Identifier: BSD-2-Clause */
/* Which guard is broken. */
#include "tests/model/mutant.h"
#include "lib/mutant.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME(name, what) [MUTANT_##name] = #name,

static const char *const names[] = {LULL_MUTANTS(NAME)};

int lull_mutant;

void mutant_choose(const char *name)
{
    for (unsigned i = 1; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            lull_mutant = (int)i;
    if (lull_mutant)
        return;
    fprintf(stderr, "lull-model: no guard is named %s; these are:\n", name);
    for (unsigned i = 1; i < sizeof names / sizeof names[0]; i++)
        fprintf(stderr, "  %s\n", names[i]);
    exit(2);
}
