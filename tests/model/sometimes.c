/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold in some run. It outlives runs. */
#include "tests/model/sometimes.h"
#include "tests/model/run.h"
#include <string.h>

#define ASKED_MAX 32

static struct asked {
    const char *what;
    bool held;
} * asked; /* kept; up to the first without `what` */

void sometimes_init(void)
{
    asked = run_keep((ASKED_MAX + 1) * sizeof *asked);
}

void sometimes_begin(void)
{
    memset(asked, 0, ASKED_MAX * sizeof *asked);
}

void sometimes_note(const char *what, bool holds)
{
    struct asked *it = asked;

    while (it->what && strcmp(it->what, what) != 0)
        it++;
    if (it == asked + ASKED_MAX)
        run_broken("a scenario asks for more than %d things", ASKED_MAX);
    it->what = what;
    it->held = it->held || holds;
}

unsigned sometimes_report(FILE *file)
{
    unsigned never = 0;

    for (const struct asked *it = asked; it->what; it++) {
        never += !it->held;
        if (!it->held)
            fprintf(file, "# never so in any run: %s\n", it->what);
    }
    return never;
}
