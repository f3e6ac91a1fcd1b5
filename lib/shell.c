/* SPDX-License-Identifier: BSD-2-Clause */
/* The shell: the prompt, lists of commands, their words, and help. */
#include "lib/shell.h"
#include "lib/console.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/line_edit.h"
#include <stdio.h>
#include <string.h>

#define PROMPT   "lull> "
#define ARGS_MAX 16
#define BLANKS   " \t"

#define STRING(number)  STRING_(number)
#define STRING_(number) #number

_Static_assert(SHELL_LINE_MAX == LINE_EDIT_MAX, "a typed line is a line that can be run");

extern const struct shell_command *const __start_shell_commands[] __attribute__((weak));
extern const struct shell_command *const __stop_shell_commands[] __attribute__((weak));

#define for_each_command(command)                                                                            \
    for (const struct shell_command *const *listed_ = __start_shell_commands, *command;                      \
         listed_ < __stop_shell_commands && (command = *listed_); listed_++)

static struct line_edit console_line;
static uint64_t command_number; /* of the newest command, from 1 on */

void shell_prompt(void)
{
    line_edit_begin(&console_line);
    console_printf("%s", PROMPT);
}

static const struct shell_command *find_command(const char *name)
{
    for_each_command (command)
        if (!strcmp(command->name, name))
            return command;
    return NULL;
}

/* Cuts text into words; returns how many, or twice ARGS_MAX when there are more than fit. argv ends with
 * NULL.
 */
static int split_words(char *text, char **argv)
{
    int argc = 0;

    for (char *rest = text;;) {
        rest += strspn(rest, BLANKS);
        if (!*rest)
            break;
        if (argc == ARGS_MAX) {
            argc = 2 * ARGS_MAX;
            break;
        }
        argv[argc++] = rest;
        rest += strcspn(rest, BLANKS);
        if (*rest)
            *rest++ = 0;
    }
    argv[argc < ARGS_MAX ? argc : ARGS_MAX] = NULL;
    return argc;
}

/* Takes the first "--json" behind the name out of the words. False if there is none. */
static bool take_json(int *argc, char **argv)
{
    int at = 1;

    while (argv[at] && strcmp(argv[at], "--json") != 0)
        at++;
    if (!argv[at])
        return false;
    for (; argv[at]; at++)
        argv[at] = argv[at + 1];
    --*argc;
    return true;
}

/* *result is what there is to say about it. */
static int run_words(int argc, char **argv, bool json, const char **result)
{
    const struct shell_command *command = find_command(argv[0]);
    int error;

    if (argc > ARGS_MAX) {
        *result = "more than " STRING(ARGS_MAX) " words";
        return ERR_RANGE;
    }
    if (!command) {
        *result = "no such command; help lists them";
        return ERR_NOT_FOUND;
    }
    if (json && !command->run_json) {
        *result = "has no --json";
        return ERR_UNSUPPORTED;
    }
    error = json ? command->run_json(argc, argv) : command->run(argc, argv);
    *result = error_text(error);
    return error;
}

static void print_result(uint64_t number, const char *name, const char *result)
{
    struct json json;

    json_begin(&json);
    json_number(&json, "command", number);
    json_text(&json, "name", name);
    json_text(&json, "result", result);
    json_print(&json);
}

static int run_command(char *text)
{
    char *argv[ARGS_MAX + 1];
    int argc = split_words(text, argv);
    const char *result;
    uint64_t number;
    bool json;
    int error;

    if (!argc)
        return 0;
    number = ++command_number;
    json = take_json(&argc, argv);
    error = run_words(argc, argv, json, &result);
    if (json)
        print_result(number, argv[0], result);
    else if (error)
        console_printf("%s: %s\n", argv[0], result);
    return error;
}

int shell_run(const char *line)
{
    while (*line) {
        char command[SHELL_LINE_MAX];
        size_t bytes = strcspn(line, ";");
        int error;

        if (bytes >= sizeof(command)) {
            console_printf("a command has more than %d characters\n", SHELL_LINE_MAX - 1);
            return ERR_RANGE;
        }
        memcpy(command, line, bytes);
        command[bytes] = 0;
        error = run_command(command);
        if (error)
            return error;
        line += bytes + (line[bytes] == ';');
    }
    return 0;
}

void shell_input(char c)
{
    char line[SHELL_LINE_MAX];
    enum line_edit_event event = line_edit_input(&console_line, c);

    if (event == LINE_EDIT_NOTHING)
        return;
    if (event == LINE_EDIT_DONE) {
        line_edit_remember(&console_line);
        strcpy(line, console_line.line);
        /* Whoever typed the line has seen what failed. */
        (void)!shell_run(line);
    }
    shell_prompt();
}

/* The command that comes next after previous in the alphabet; NULL when there is none. */
static const struct shell_command *next_by_name(const struct shell_command *previous)
{
    const struct shell_command *next = NULL;

    for_each_command (command)
        if ((!previous || strcmp(command->name, previous->name) > 0) &&
            (!next || strcmp(command->name, next->name) < 0))
            next = command;
    return next;
}

static int widest(int width, const char *text)
{
    return (int)strlen(text) > width ? (int)strlen(text) : width;
}

static int command_help(int argc, char **argv)
{
    int name = 0, arguments = 0;

    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    for (const struct shell_command *command = NULL; (command = next_by_name(command));) {
        name = widest(name, command->name);
        arguments = widest(arguments, command->arguments);
    }
    for (const struct shell_command *command = NULL; (command = next_by_name(command));)
        console_printf("  %-*s  %-*s  %s\n", name, command->name, arguments, command->arguments,
                       command->help);
    console_printf("\"COMMAND; COMMAND\" runs one after the other until one fails.\n");
    return 0;
}

SHELL_COMMAND("help", "", "list the commands", command_help);
