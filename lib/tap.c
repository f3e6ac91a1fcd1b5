/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the tests of the linker set "tests" and reports them as TAP version 12: flat, each line named by its
 * test, the plan last. */
#include "lib/tap.h"
#include "lib/atomic.h"
#include "lib/console.h"
#include "lib/error.h"
#include "lib/glob.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX 256

extern const struct test __start_tests[] __attribute__((weak));
extern const struct test __stop_tests[] __attribute__((weak));

/* One run of tap_run(). A test may report from several CPUs; only one runs at a time. */
static struct {
    const struct test *test;
    uint32_t checks; /* atomic, as the next two */
    uint32_t failed;
    uint32_t test_checks; /* of the test that runs */
} tap;

static uint32_t next_number(void)
{
    atomic_fetch_add(&tap.test_checks, 1u);
    return atomic_fetch_add(&tap.checks, 1u) + 1;
}

bool tap_ok(bool ok, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (!ok)
        atomic_fetch_add(&tap.failed, 1u);
    console_printf("%sok %u - %s: %s\n", ok ? "" : "not ", (unsigned)next_number(), tap.test->name, message);
    return ok;
}

void tap_skip(const char *format, ...)
{
    char reason[MESSAGE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    console_printf("ok %u - %s # SKIP %s\n", (unsigned)next_number(), tap.test->name, reason);
}

void tap_note(const char *format, ...)
{
    char note[MESSAGE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(note, sizeof(note), format, arguments);
    va_end(arguments);
    console_printf("# %s\n", note);
}

static void run_one(const struct test *test)
{
    tap.test = test;
    tap.test_checks = 0;
    test->run();
    if (!atomic_read(&tap.test_checks))
        tap_ok(false, "made no check");
}

/* The matching test that comes next after previous in the alphabet (compilers do not keep the order of the
 * source). NULL at the end. */
static const struct test *next_test(const char *glob, const struct test *previous)
{
    const struct test *next = NULL;

    for (const struct test *test = __start_tests; test < __stop_tests; test++)
        if (glob_matches(glob, test->name) && (!previous || strcmp(test->name, previous->name) > 0) &&
            (!next || strcmp(test->name, next->name) < 0))
            next = test;
    return next;
}

int tap_run(const char *glob)
{
    const struct test *test = next_test(glob, NULL);

    if (!test)
        return ERR_NOT_FOUND;
    tap.checks = 0;
    tap.failed = 0;
    for (; test; test = next_test(glob, test))
        run_one(test);
    console_printf("1..%u\n", (unsigned)atomic_read(&tap.checks));
    return (int)atomic_read(&tap.failed);
}
