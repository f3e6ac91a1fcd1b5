/* SPDX-License-Identifier: BSD-2-Clause */
/* Call stacks of agents, and their names by addr2line, which who builds this has. */
#include "tests/model/where.h"
#include "tests/model/schedule.h"
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX  32
#define LINE_BYTES 256

static struct stack {
    const char *agent;
    unsigned depth;
    const void *functions[DEPTH_MAX];
} stacks[SCHEDULE_AGENTS_MAX];

/* NULL while no run is on: the arena is made by the allocator, too. */
static struct stack *mine(void)
{
    return agent_current() ? &stacks[agent_number(agent_current())] : NULL;
}

void where_enter(const void *function)
{
    struct stack *stack = mine();

    if (!stack)
        return;
    stack->agent = agent_name(agent_current());
    if (stack->depth < DEPTH_MAX)
        stack->functions[stack->depth] = function;
    stack->depth++;
}

void where_leave(void)
{
    struct stack *stack = mine();

    if (stack)
        stack->depth--;
}

/* Prints the name of the function at an address: addr2line prints one line for it, and one for the file. */
static void print_function(FILE *file, const void *function)
{
    char command[80], line[LINE_BYTES];
    FILE *names;

    snprintf(command, sizeof command, "addr2line -f -s -e /proc/%d/exe %p 2>/dev/null", getpid(), function);
    names = popen(command, "r");
    if (!names || !fgets(line, sizeof line, names))
        snprintf(line, sizeof line, "%p\n", function);
    line[strcspn(line, "\n")] = 0;
    fprintf(file, " %s", line);
    if (names)
        pclose(names);
}

void where_print(FILE *file)
{
    for (unsigned i = 0; i < SCHEDULE_AGENTS_MAX; i++) {
        const struct stack *stack = &stacks[i];

        if (!stack->depth)
            continue;
        fprintf(file, "#   %s in", stack->agent);
        for (unsigned depth = stack->depth < DEPTH_MAX ? stack->depth : DEPTH_MAX; depth--;)
            print_function(file, stack->functions[depth]);
        fputc('\n', file);
    }
}
