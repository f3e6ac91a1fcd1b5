/* SPDX-License-Identifier: BSD-2-Clause */
/* Violations by name, and how a run ends with one. */
#include "tests/model/violation.h"
#include "tests/model/run.h"
#include "tests/model/schedule.h"
#include "tests/model/schedule_run.h"
#include <stdarg.h>
#include <stdio.h>

static const char *const names[] = {
    [VIOLATION_NONE] = "none",
    [VIOLATION_FREED_WALK] = "walk into freed memory",
    [VIOLATION_FREED_CACHED] = "memory freed while it is cached",
    [VIOLATION_FREED_SOFTWARE] = "software touches freed memory",
    [VIOLATION_RESERVED_BITS] = "reserved bits",
    [VIOLATION_REGISTER] = "register protocol",
    [VIOLATION_COMMAND] = "command protocol",
    [VIOLATION_DESCRIPTOR] = "wrong descriptor",
    [VIOLATION_QUEUE] = "queue protocol",
    [VIOLATION_LIVE_ENTRY] = "entry changed while in use",
    [VIOLATION_STALE] = "stale translation used",
    [VIOLATION_SPURIOUS_FAULT] = "spurious fault",
    [VIOLATION_LOST_WRITE] = "lost write",
    [VIOLATION_FORBIDDEN] = "forbidden memory reached",
    [VIOLATION_INTERRUPT] = "wrong interrupt",
    [VIOLATION_STUCK] = "stuck",
    [VIOLATION_PANIC] = "panic",
    [VIOLATION_EXPECTATION] = "expectation of the scenario",
};

const char *violation_name(enum violation what)
{
    return names[what];
}

void violation(enum violation what, const char *format, ...)
{
    struct outcome *outcome = run_outcome();
    va_list arguments;
    int bytes;

    outcome->violation = what;
    bytes = snprintf(outcome->text, sizeof outcome->text, "step %lu, %s: ", (unsigned long)schedule_step(),
                     agent_name(agent_current()));
    va_start(arguments, format);
    vsnprintf(outcome->text + bytes, sizeof outcome->text - (size_t)bytes, format, arguments);
    va_end(arguments);
    schedule_end();
}
