/* SPDX-License-Identifier: BSD-2-Clause */
/* The shell: the prompt, lists of commands, their words, and help. */
#include "lib/shell.h"
#include "lib/console.h"
#include "lib/error.h"
#include "lib/line_edit.h"
#include <stdio.h>
#include <string.h>

#define PROMPT   "lull> "
#define ARGS_MAX 16
#define BLANKS   " \t"

_Static_assert(SHELL_LINE_MAX == LINE_EDIT_MAX, "a typed line is a line that can be run");

extern const struct shell_command __start_shell_commands[] __attribute__((weak));
extern const struct shell_command __stop_shell_commands[] __attribute__((weak));

static struct line_edit console_line;

void shell_prompt(void)
{
    line_edit_begin(&console_line);
    console_printf("%s", PROMPT);
}

static const struct shell_command *find_command(const char *name)
{
    for (const struct shell_command *command = __start_shell_commands; command < __stop_shell_commands;
         command++)
        if (!strcmp(command->name, name))
            return command;
    return NULL;
}

/* Cuts text into words; returns how many, ARGS_MAX + 1 when there are more than fit. argv ends with NULL. */
static int split_words(char *text, char **argv)
{
    int argc = 0;

    for (char *rest = text;;) {
        rest += strspn(rest, BLANKS);
        if (!*rest)
            break;
        if (argc == ARGS_MAX)
            return ARGS_MAX + 1;
        argv[argc++] = rest;
        rest += strcspn(rest, BLANKS);
        if (*rest)
            *rest++ = 0;
    }
    argv[argc] = NULL;
    return argc;
}

static int run_command(char *text)
{
    char *argv[ARGS_MAX + 1];
    int argc = split_words(text, argv);
    const struct shell_command *command;
    int error;

    if (!argc)
        return 0;
    if (argc > ARGS_MAX) {
        console_printf("%s: more than %d words\n", argv[0], ARGS_MAX);
        return ERR_RANGE;
    }
    command = find_command(argv[0]);
    if (!command) {
        console_printf("%s: no such command; help lists them\n", argv[0]);
        return ERR_NOT_FOUND;
    }
    error = command->run(argc, argv);
    if (error)
        console_printf("%s: %s\n", argv[0], error_text(error));
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

    for (const struct shell_command *command = __start_shell_commands; command < __stop_shell_commands;
         command++)
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
