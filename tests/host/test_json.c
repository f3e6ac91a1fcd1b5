/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON objects as commands print them. */
#include "lib/json.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <stdio.h>
#include <string.h>

static struct json json;

static int begin(void **state)
{
    (void)state;
    host_log_clear();
    json_begin(&json);
    return 0;
}

static void an_object_may_be_empty(void **state)
{
    (void)state;
    json_print(&json);
    assert_string_equal(host_log(), "{}\n");
}

static void members_are_separated_on_every_level(void **state)
{
    (void)state;
    json_number(&json, "most", UINT64_MAX);
    json_open(&json, "a");
    json_bool(&json, "yes", true);
    json_open(&json, "b");
    json_close(&json);
    json_bool(&json, "no", false);
    json_close(&json);
    json_text(&json, "text", "");
    json_print(&json);
    assert_string_equal(host_log(),
                        "{\"most\":18446744073709551615,\"a\":{\"yes\":true,\"b\":{},\"no\":false},"
                        "\"text\":\"\"}\n");
}

static void lists_hold_items_without_names(void **state)
{
    (void)state;
    json_open_list(&json, "empty");
    json_close_list(&json);
    json_open_list(&json, "mixed");
    json_number(&json, NULL, 1);
    json_text(&json, NULL, "two");
    json_open_list(&json, NULL);
    json_bool(&json, NULL, true);
    json_close_list(&json);
    json_open(&json, NULL);
    json_number(&json, "four", 4);
    json_close(&json);
    json_close_list(&json);
    json_number(&json, "after", 5);
    json_print(&json);
    assert_string_equal(host_log(), "{\"empty\":[],\"mixed\":[1,\"two\",[true],{\"four\":4}],\"after\":5}\n");
}

/* Twice as long as a line, and a text longer than one. */
static void an_object_in_pieces_is_whole(void **state)
{
    static char text[2 * JSON_LINE_MAX], expected[sizeof text + 32];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    json_begin_in_pieces(&json);
    json_number(&json, "n", 1);
    json_text(&json, "t", text);
    json_print(&json);
    snprintf(expected, sizeof expected, "{\"n\":1,\"t\":\"%s\"}\n", text);
    assert_string_equal(host_log(), expected);
}

static void text_is_escaped(void **state)
{
    (void)state;
    json_text(&json, "t", "a\"b\\c\n\x1b[31m\x7f\xe4~ ");
    json_print(&json);
    assert_string_equal(host_log(), "{\"t\":\"a\\\"b\\\\c\\u000a\\u001b[31m\\u007f\\u00e4~ \"}\n");
}

/* The longest text that fits, and one that is a character longer; as plain characters, and as escapes, of
 * which none may be cut in half. */
static void what_does_not_fit_is_said_and_not_cut(void **state)
{
    static char text[JSON_LINE_MAX];
    unsigned fitted = 0;

    (void)state;
    for (unsigned escapes = 0; escapes < 2; escapes++)
        for (unsigned n = JSON_LINE_MAX / 6 - 20; n < JSON_LINE_MAX; n++) {
            bool fits = (escapes ? 6 : 1) * n + strlen("{\"t\":\"\"") + strlen("}\n") < JSON_LINE_MAX;

            memset(text, escapes ? '\n' : 'x', n);
            text[n] = 0;
            begin(state);
            json_text(&json, "t", text);
            json_print(&json);
            fitted += fits;
            if (fits)
                assert_int_equal(strlen(host_log()), (escapes ? 6 : 1) * n + 9);
            else
                assert_string_equal(host_log(), "{\"too_long\":true}\n");
        }
    assert_true(fitted > 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_object_may_be_empty, begin),
        cmocka_unit_test_setup(members_are_separated_on_every_level, begin),
        cmocka_unit_test_setup(lists_hold_items_without_names, begin),
        cmocka_unit_test_setup(an_object_in_pieces_is_whole, begin),
        cmocka_unit_test_setup(text_is_escaped, begin),
        cmocka_unit_test_setup(what_does_not_fit_is_said_and_not_cut, begin),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
