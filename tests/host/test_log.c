/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: what a line looks like, levels, the ring when it is full, and copies that are too small. */
#include "lib/log.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <stdlib.h>
#include <string.h>

#define RING_MAX 65536

static int begin(void **state)
{
    (void)state;
    log_set_console_level(LOG_INFO);
    host_log_clear();
    host_set_cpu(0);
    return 0;
}

static void a_line_has_time_cpu_and_level(void **state)
{
    (void)state;
    host_set_cpu(2);
    host_set_time_ns(1234566000);
    log_warn("unit %d", 7);
    host_set_time_ns(0);
    assert_string_equal(host_log(), "[   1.234567] cpu2 warn: unit 7\n");
}

static void lines_above_the_level_go_to_the_ring_only(void **state)
{
    char copy[512];
    size_t bytes;

    (void)state;
    log_debug("not for the console");
    assert_string_equal(host_log(), "");
    bytes = log_copy(copy, sizeof(copy) - 1);
    copy[bytes] = 0;
    assert_non_null(strstr(copy, "debug: not for the console\n"));
    log_set_console_level(LOG_DEBUG);
    log_debug("for the console");
    assert_non_null(strstr(host_log(), "debug: for the console\n"));
}

static void a_long_text_is_cut_at_240_bytes(void **state)
{
    char text[400];
    const char *shown;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    log_error("%s", text);
    shown = strchr(host_log(), 'x');
    assert_non_null(shown);
    assert_int_equal(strspn(shown, "x"), 240);
    assert_int_equal(shown[240], '\n');
}

static void control_characters_are_not_passed_on(void **state)
{
    (void)state;
    log_info("a\x1b[2Jb\nc\td\x7f\x9b"
             "e");
    assert_non_null(strstr(host_log(), "info: a?[2Jb?c?d??e\n"));
}

static void write_numbered(unsigned from, unsigned lines)
{
    log_set_console_level(LOG_ERROR);
    for (unsigned i = from; i < from + lines; i++)
        log_info("line %u of them", i);
}

static void a_full_ring_holds_the_newest_whole_lines(void **state)
{
    char *copy = malloc(RING_MAX + 1);
    unsigned number = 0;
    size_t bytes;

    (void)state;
    write_numbered(0, 5000);
    bytes = log_copy(copy, RING_MAX);
    copy[bytes] = 0;
    assert_true(bytes > RING_MAX - 300);
    assert_int_equal(copy[0], '[');
    for (char *line = copy; *line; line = strchr(line, '\n') + 1) {
        unsigned found = (unsigned)strtoul(strstr(line, "line ") + 5, NULL, 10);

        assert_true(line == copy || found == number + 1);
        number = found;
    }
    assert_int_equal(number, 4999);
    free(copy);
}

static void a_small_copy_gets_the_newest_whole_lines(void **state)
{
    char copy[256];
    size_t line;

    (void)state;
    write_numbered(10000, 50);
    line = log_copy(copy, 100);
    assert_true(line > 0 && line <= 100 && copy[0] == '[' && copy[line - 1] == '\n');
    /* Room for exactly the lines that it gave, and for one byte less than the last two of them. */
    assert_int_equal(log_copy(copy, line), line);
    assert_int_equal(log_copy(copy, 10), 0);
    line = log_copy(copy, 60);
    assert_int_equal(log_copy(copy, 2 * line), 2 * line);
    assert_int_equal(log_copy(copy, 2 * line - 1), line);
    assert_int_equal(log_copy(copy, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_has_time_cpu_and_level, begin),
        cmocka_unit_test_setup(lines_above_the_level_go_to_the_ring_only, begin),
        cmocka_unit_test_setup(a_long_text_is_cut_at_240_bytes, begin),
        cmocka_unit_test_setup(control_characters_are_not_passed_on, begin),
        cmocka_unit_test_setup(a_full_ring_holds_the_newest_whole_lines, begin),
        cmocka_unit_test_setup(a_small_copy_gets_the_newest_whole_lines, begin),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
