/* SPDX-License-Identifier: BSD-2-Clause */
/* Which guard is left out. What is tested on the host is built with LULL_MUTANT as this variable. */
#include "lib/mutant.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME(name, what) [MUTANT_##name] = #name,

static const char *const names[] = {LULL_MUTANTS(NAME)};

int lull_mutant;

/* Before main(): tests know nothing of it. */
__attribute__((constructor)) static void mutant_choose(void)
{
    const char *name = getenv("LULL_MUTANT");

    if (!name)
        return;
    for (unsigned i = 1; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            lull_mutant = (int)i;
    if (lull_mutant)
        return;
    fprintf(stderr, "LULL_MUTANT=%s: there is no such guard; these are:\n", name);
    for (unsigned i = 1; i < sizeof names / sizeof names[0]; i++)
        fprintf(stderr, "  %s\n", names[i]);
    exit(2);
}
