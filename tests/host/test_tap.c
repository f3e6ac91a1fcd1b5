/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's TAP, run on tests of this program's own. */
#include "lib/error.h"
#include "lib/glob.h"
#include "lib/tap.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

TEST(sample_passes)
{
    tap_ok(true, "one is %d", 1);
    tap_note("a note");
    tap_ok(true, "two");
}

TEST(sample_fails)
{
    tap_ok(false, "found %d, not %d", 3, 4);
    tap_ok(true, "the rest is fine");
}

TEST(sample_skips)
{
    tap_skip("there is no %s", "device");
}

TEST(empty_test)
{
}

static void checks_are_numbered_and_named_and_the_plan_is_last(void **state)
{
    (void)state;
    host_log_clear();
    assert_int_equal(tap_run("sample_passes"), 0);
    assert_string_equal(host_log(), "ok 1 - sample_passes: one is 1\n"
                                    "# a note\n"
                                    "ok 2 - sample_passes: two\n"
                                    "1..2\n");
}

static void failed_checks_are_counted(void **state)
{
    (void)state;
    host_log_clear();
    assert_int_equal(tap_run("sample_f*"), 1);
    assert_string_equal(host_log(), "not ok 1 - sample_fails: found 3, not 4\n"
                                    "ok 2 - sample_fails: the rest is fine\n"
                                    "1..2\n");
}

static void a_skip_says_why_and_does_not_fail(void **state)
{
    (void)state;
    host_log_clear();
    assert_int_equal(tap_run("sample_skips"), 0);
    assert_string_equal(host_log(), "ok 1 - sample_skips # SKIP there is no device\n"
                                    "1..1\n");
}

static void a_test_without_a_check_fails(void **state)
{
    (void)state;
    host_log_clear();
    assert_int_equal(tap_run("empty_*"), 1);
    assert_string_equal(host_log(), "not ok 1 - empty_test: made no check\n"
                                    "1..1\n");
}

static void a_glob_takes_several_tests_and_numbers_go_on(void **state)
{
    (void)state;
    host_log_clear();
    assert_int_equal(tap_run("sample_*s"), 1);
    assert_non_null(strstr(host_log(), "ok 5 - sample_skips # SKIP"));
    assert_non_null(strstr(host_log(), "1..5\n"));
}

static void a_glob_that_matches_nothing_is_an_error(void **state)
{
    (void)state;
    host_log_clear();
    assert_int_equal(tap_run("nothing*"), ERR_NOT_FOUND);
    assert_string_equal(host_log(), "");
}

static void globs(void **state)
{
    (void)state;
    assert_true(glob_matches("", ""));
    assert_false(glob_matches("", "a"));
    assert_true(glob_matches("*", ""));
    assert_true(glob_matches("vtd*", "vtd_fault"));
    assert_false(glob_matches("vtd*", "xvtd"));
    assert_true(glob_matches("*fault*", "vtd_fault_bits"));
    assert_true(glob_matches("a?c", "abc"));
    assert_false(glob_matches("a?c", "ac"));
    assert_true(glob_matches("*ab", "aab"));
    assert_true(glob_matches("a*b*c", "axxbxbxc"));
    assert_false(glob_matches("a*b*c", "axxbxbx"));
    assert_false(glob_matches("abc", "ab"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_are_numbered_and_named_and_the_plan_is_last),
        cmocka_unit_test(failed_checks_are_counted),
        cmocka_unit_test(a_skip_says_why_and_does_not_fail),
        cmocka_unit_test(a_test_without_a_check_fails),
        cmocka_unit_test(a_glob_takes_several_tests_and_numbers_go_on),
        cmocka_unit_test(a_glob_that_matches_nothing_is_an_error),
        cmocka_unit_test(globs),
    };

    return cmocka_run_group_tests_name("tap", tests, NULL, NULL);
}
