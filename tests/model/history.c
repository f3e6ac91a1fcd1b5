/* SPDX-License-Identifier: BSD-2-Clause */
/* The newest events, as formats with their arguments. */
#include "tests/model/history.h"
#include "tests/model/run.h"
#include "tests/model/schedule.h"
#include <string.h>

#define EVENTS_MAX 4096

struct event {
    uint64_t step;
    const char *agent;
    const char *format;
    uint64_t arguments[HISTORY_ARGUMENTS];
};

static struct event *events; /* kept: only what is newer than the run's begin is shown */
static uint64_t count, digest;

/* FNV-1a, a word at a time. */
static void digest_add(uint64_t word)
{
    digest = (digest ^ word) * 0x100000001b3ull;
    digest ^= digest >> 32;
}

void history_init(void)
{
    events = run_keep(EVENTS_MAX * sizeof *events);
}

void history_note(const char *format, const uint64_t arguments[HISTORY_ARGUMENTS])
{
    struct event *event = &events[count++ % EVENTS_MAX];

    event->step = schedule_step();
    event->agent = agent_name(agent_current());
    event->format = format;
    memcpy(event->arguments, arguments, sizeof event->arguments);
    digest_add(event->step);
    digest_add((uintptr_t)event->agent);
    digest_add((uintptr_t)format);
    for (unsigned i = 0; i < HISTORY_ARGUMENTS; i++)
        digest_add(arguments[i]);
}

uint64_t history_digest(void)
{
    return digest;
}

void history_print(FILE *file, unsigned most)
{
    uint64_t kept = count < EVENTS_MAX ? count : EVENTS_MAX;

    for (uint64_t i = count - (kept < most ? kept : most); i < count; i++) {
        const struct event *event = &events[i % EVENTS_MAX];
        const uint64_t *a = event->arguments;

        fprintf(file, "#   %7lu %-16s ", (unsigned long)event->step, event->agent);
        fprintf(file, event->format, a[0], a[1], a[2], a[3], a[4], a[5]);
        fputc('\n', file);
    }
}
