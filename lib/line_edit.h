/* SPDX-License-Identifier: BSD-2-Clause */
/* Editing one line on a VT100 terminal, with a history: for the shell. One CPU at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_EDIT_MAX     256 /* with its 0 */
#define LINE_EDIT_HISTORY 16

struct line_edit {
    char line[LINE_EDIT_MAX]; /* always ends with 0 */
    size_t length;
    size_t cursor;
    char history[LINE_EDIT_HISTORY][LINE_EDIT_MAX];
    unsigned
        history_end; /* lines ever remembered; the newest is history[(history_end - 1) % LINE_EDIT_HISTORY] */
    unsigned history_back;     /* how many lines back the one shown is; 0: it is not from the history */
    char draft[LINE_EDIT_MAX]; /* what was being typed when the history was entered */
    uint8_t state;
    uint8_t parameter; /* of the escape sequence that is being read */
};

enum line_edit_event {
    LINE_EDIT_NOTHING,
    LINE_EDIT_DONE,      /* edit->line is whole */
    LINE_EDIT_CANCELLED, /* ^C: the line was thrown away */
};

/* Takes one character as the terminal sends it, and shows what it does. After LINE_EDIT_DONE the caller uses
 * the line and then calls line_edit_begin(). */
enum line_edit_event line_edit_input(struct line_edit *edit, char c);

/* Begins an empty line. edit is all zeros before the first. */
void line_edit_begin(struct line_edit *edit);

/* Adds edit->line to the history, unless it is empty or the same as the newest there. */
void line_edit_remember(struct line_edit *edit);
