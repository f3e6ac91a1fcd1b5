/* SPDX-License-Identifier: BSD-2-Clause */
/* The console's command line: commands register themselves by SHELL_COMMAND, wherever they are defined.
 *
 * A command gets its words (argv[0] is its own name) and returns 0 or an error, after which the shell prints
 * "NAME: error text". It prints with printf(). */
#pragma once

#include "lib/compiler.h"
#include <stddef.h>

/* With the word "--json" anywhere behind its name a command prints what it has to say for programs, one JSON
 * object a line (lib/json.h). The shell takes that word out, and ends with an object of its own, whatever
 * happened: {"command":7,"name":"iommu","result":"ok"}. The number counts commands since start, so that
 * whoever sent several can tell which one this is of; the result is "ok", or what went wrong in words. */
struct shell_command {
    const char *name;
    const char *arguments; /* as help shows them: "" or "DOMAIN" or "[GLOB]" */
    const char *help;      /* one line */
    int (*run)(int argc, char **argv);
    int (*run_json)(int argc, char **argv); /* NULL: --json is refused */
};

#define SHELL_COMMAND(command_name, command_arguments, command_help, function)                               \
    SHELL_COMMAND_JSON(command_name, command_arguments, command_help, function, NULL)

/* Pointers are listed, since a compiler may align the structures themselves as it likes. */
#define SHELL_COMMAND_JSON(command_name, command_arguments, command_help, function, json_function)           \
    static const struct shell_command shell_command_##function = {command_name, command_arguments,           \
                                                                  command_help, function, json_function};    \
    static const struct shell_command *const listed_##function SECTION("shell_commands") USED =              \
        &shell_command_##function

#define SHELL_LINE_MAX 256

/* Prints the prompt; then feed it what was typed. A whole line is run before shell_input() returns. */
void shell_prompt(void);
void shell_input(char c);

/* Runs "COMMAND ARG; COMMAND" and returns the result of the first that failed (the rest is not run), or 0. */
int shell_run(const char *line) MUST_CHECK;
