/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests inside the hypervisor, reported as TAP. A test registers itself by TEST() and says what it found by
 * tap_ok(). */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>

struct test {
    const char *name; /* suite_case */
    void (*run)(void);
};

/* TEST(vtd_fault) { ... }: "test vtd*" runs it. */
#define TEST(test_name)                                                                                      \
    static void test_name(void);                                                                             \
    static const struct test test_##test_name SECTION("tests") USED = {#test_name, test_name};               \
    static void test_name(void)

/* One check: prints ok or not ok with what it is about. Returns ok. */
bool tap_ok(bool ok, const char *format, ...) PRINTF_LIKE(2, 3);

/* The rest of this test cannot be had here; why. Counted as skipped. */
void tap_skip(const char *format, ...) PRINTF_LIKE(1, 2);

/* A line of explanation ("# ..."). */
void tap_note(const char *format, ...) PRINTF_LIKE(1, 2);

/* Runs the tests whose names match glob ('*' and '?'), prints the plan, and returns how many checks failed;
 * negative (ERR_NOT_FOUND) when no name matches. */
int tap_run(const char *glob) MUST_CHECK;
