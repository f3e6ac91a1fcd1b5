/* SPDX-License-Identifier: BSD-2-Clause */
/* The shell: lists, words, errors, help, editing and history. */
#include "lib/error.h"
#include "lib/json.h"
#include "lib/shell.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <stdio.h>
#include <string.h>

#define UP    "\x1b[A"
#define DOWN  "\x1b[B"
#define RIGHT "\x1b[C"
#define LEFT  "\x1b[D"

/* What the commands of this program were called with: "name arg arg;name;" */
static char calls[1024];

static int record(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        snprintf(calls + strlen(calls), sizeof(calls) - strlen(calls), "%s%s", i ? " " : "", argv[i]);
    strcat(calls, ";");
    assert_null(argv[argc]);
    return 0;
}

static int record_again(int argc, char **argv)
{
    return record(argc, argv);
}

static int always_in_use(int argc, char **argv)
{
    (void)record(argc, argv);
    return ERR_BUSY;
}

/* Says its words to programs, and fails when there is none. */
static int record_json(int argc, char **argv)
{
    struct json json;

    (void)record(argc, argv);
    json_begin(&json);
    json_text(&json, "word", argc > 1 ? argv[1] : "");
    json_print(&json);
    return argc > 1 ? 0 : ERR_INVALID;
}

SHELL_COMMAND_JSON("zebra", "[WORD]", "the last one", record, record_json);
SHELL_COMMAND("apple", "", "the first one", record_again);
SHELL_COMMAND("fail", "", "always in use", always_in_use);

static int begin(void **state)
{
    (void)state;
    calls[0] = 0;
    shell_prompt();
    host_log_clear();
    return 0;
}

static void type(const char *text)
{
    while (*text)
        shell_input(*text++);
}

static void words_are_split_at_blanks(void **state)
{
    (void)state;
    assert_int_equal(shell_run("  zebra  one\ttwo "), 0);
    assert_string_equal(calls, "zebra one two;");
}

static void a_list_runs_until_one_fails(void **state)
{
    (void)state;
    assert_int_equal(shell_run("zebra a;; apple ; fail; zebra b"), ERR_BUSY);
    assert_string_equal(calls, "zebra a;apple;fail;");
    assert_string_equal(host_log(), "fail: in use\n");
}

static void an_unknown_command_is_named(void **state)
{
    (void)state;
    assert_int_equal(shell_run("nosuch 1"), ERR_NOT_FOUND);
    assert_string_equal(host_log(), "nosuch: no such command; help lists them\n");
}

static void too_many_words_and_too_long_a_command_are_refused(void **state)
{
    char line[SHELL_LINE_MAX + 10];

    (void)state;
    assert_int_equal(shell_run("zebra 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"), 0);
    assert_int_equal(shell_run("zebra 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"), ERR_RANGE);
    memset(line, 'z', sizeof(line));
    line[sizeof(line) - 1] = 0;
    assert_int_equal(shell_run(line), ERR_RANGE);
}

/* The last line of the log; the number of its command, which differs, is taken out. */
static const char *result_line(unsigned *number)
{
    static char line[128];
    const char *end = host_log() + strlen(host_log()) - 1;
    const char *begin = end;
    int bytes = 0;

    while (begin > host_log() && begin[-1] != '\n')
        begin--;
    assert_int_equal(sscanf(begin, "{\"command\":%u,%n", number, &bytes), 1);
    snprintf(line, sizeof line, "{%.*s", (int)(end - begin) - bytes, begin + bytes);
    return line;
}

static void json_ends_with_the_number_and_the_result(void **state)
{
    unsigned first, second;

    (void)state;
    assert_int_equal(shell_run("zebra --json one"), 0);
    assert_string_equal(calls, "zebra one;");
    assert_memory_equal(host_log(), "{\"word\":\"one\"}\n{\"command\":", 26);
    assert_string_equal(result_line(&first), "{\"name\":\"zebra\",\"result\":\"ok\"}");
    assert_int_equal(shell_run(" ; apple; zebra --json"), ERR_INVALID);
    assert_string_equal(result_line(&second), "{\"name\":\"zebra\",\"result\":\"invalid argument\"}");
    /* Without --json a command counts too, a blank line does not. */
    assert_int_equal(second, first + 2);
}

static void json_has_a_result_whatever_is_wrong(void **state)
{
    static const struct {
        const char *line, *result;
        int error;
    } cases[] = {
        {"apple --json", "{\"name\":\"apple\",\"result\":\"has no --json\"}", ERR_UNSUPPORTED},
        {"n\"o --json", "{\"name\":\"n\\\"o\",\"result\":\"no such command; help lists them\"}",
         ERR_NOT_FOUND},
        {"zebra --json 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
         "{\"name\":\"zebra\",\"result\":\"more than 16 words\"}", ERR_RANGE},
    };
    unsigned number;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(shell_run(cases[i].line), cases[i].error);
        assert_string_equal(result_line(&number), cases[i].result);
    }
    assert_string_equal(calls, "");
}

static void json_is_a_word_of_its_own_and_one_of_them(void **state)
{
    (void)state;
    assert_int_equal(shell_run("--json"), ERR_NOT_FOUND);
    assert_string_equal(host_log(), "--json: no such command; help lists them\n");
    assert_int_equal(shell_run("zebra --jsonx"), 0);
    assert_int_equal(shell_run("zebra --json --json"), 0);
    assert_string_equal(calls, "zebra --jsonx;zebra --json;");
}

static void help_is_sorted(void **state)
{
    const char *first, *last, *help;

    (void)state;
    assert_int_equal(shell_run("help"), 0);
    first = strstr(host_log(), "apple");
    help = strstr(host_log(), "help ");
    last = strstr(host_log(), "zebra  [WORD]  the last one");
    assert_true(first && help && last && first < help && help < last);
}

static void a_typed_line_is_echoed_and_run(void **state)
{
    (void)state;
    type("zebra 1\r\n");
    assert_string_equal(calls, "zebra 1;");
    assert_string_equal(host_log(), "zebra 1\nlull> ");
}

static void each_of_cr_lf_and_crlf_ends_one_line(void **state)
{
    (void)state;
    type("apple\rapple\napple\r\napple\n\n");
    assert_string_equal(calls, "apple;apple;apple;apple;");
}

static void editing(void **state)
{
    static const struct {
        const char *typed, *run;
    } cases[] = {
        {"zebrx\ba\r", "zebra;"},
        {"zebrx\x7f"
         "a\r",
         "zebra;"},
        {"\b\bapple\r", "apple;"},
        {"zbra" LEFT LEFT LEFT "e\r", "zebra;"},
        {"ebra\x1b[Hz\x1b[F 1\r", "zebra 1;"},
        {"ebra\x1b[1~z\x1b[4~ 1\r", "zebra 1;"},
        {"ebra\x1bOHz\x1bOF 1\r", "zebra 1;"},
        {"ebra\x01z\x05 1\r", "zebra 1;"},
        {"zeebra\x01" RIGHT "\x1b[3~\r", "zebra;"},
        {"rubbish\x15"
         "apple\r",
         "apple;"},
        {"rubbish\x03"
         "apple\r",
         "apple;"},
        {"app\x1b[24~\x1b[1;5Zle\r", "apple;"},
        {"ap\x07\xe4ple\r", "apple;"},
        {"apple" RIGHT RIGHT "\x1b[3~\r", "apple;"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        calls[0] = 0;
        type(cases[i].typed);
        assert_string_equal(calls, cases[i].run);
    }
}

static void history_goes_up_and_down(void **state)
{
    (void)state;
    type("zebra one\rzebra two\rzebra two\r");
    calls[0] = 0;
    type(UP UP "\r"); /* a repeated line is kept once */
    assert_string_equal(calls, "zebra one;");
    calls[0] = 0;
    type("zebra dra" UP UP DOWN DOWN "ft\r");
    assert_string_equal(calls, "zebra draft;");
    calls[0] = 0;
    type(UP "\b\b\bwn\r");
    assert_string_equal(calls, "zebra drwn;");
}

static void history_is_bounded(void **state)
{
    char line[32];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof(line), "zebra %d\r", i);
        type(line);
    }
    calls[0] = 0;
    for (int i = 0; i < 60; i++)
        type(UP);
    type("\r");
    assert_string_equal(calls, "zebra 24;");
}

static void a_line_takes_no_more_than_fits(void **state)
{
    (void)state;
    type("zebra ");
    for (int i = 0; i < 2 * SHELL_LINE_MAX; i++)
        shell_input('y');
    type("\r");
    assert_int_equal(strlen(calls), SHELL_LINE_MAX - 1 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(words_are_split_at_blanks, begin),
        cmocka_unit_test_setup(a_list_runs_until_one_fails, begin),
        cmocka_unit_test_setup(an_unknown_command_is_named, begin),
        cmocka_unit_test_setup(too_many_words_and_too_long_a_command_are_refused, begin),
        cmocka_unit_test_setup(json_ends_with_the_number_and_the_result, begin),
        cmocka_unit_test_setup(json_has_a_result_whatever_is_wrong, begin),
        cmocka_unit_test_setup(json_is_a_word_of_its_own_and_one_of_them, begin),
        cmocka_unit_test_setup(help_is_sorted, begin),
        cmocka_unit_test_setup(a_typed_line_is_echoed_and_run, begin),
        cmocka_unit_test_setup(each_of_cr_lf_and_crlf_ends_one_line, begin),
        cmocka_unit_test_setup(editing, begin),
        cmocka_unit_test_setup(history_goes_up_and_down, begin),
        cmocka_unit_test_setup(history_is_bounded, begin),
        cmocka_unit_test_setup(a_line_takes_no_more_than_fits, begin),
    };

    return cmocka_run_group_tests_name("shell", tests, NULL, NULL);
}
