/* SPDX-License-Identifier: BSD-2-Clause */
/* The line editor: characters and VT100 sequences in, the line and its picture on the terminal out. */
#include "lib/line_edit.h"
#include "lib/platform.h"
#include <string.h>

enum state {
    STATE_TEXT,
    STATE_AFTER_CR, /* a newline straight after a carriage return belongs to it */
    STATE_ESCAPE,   /* after ESC */
    STATE_CSI,      /* after ESC [ */
    STATE_SS3,      /* after ESC O */
};

#define CTRL(letter) ((letter) - 'A' + 1)
#define ESCAPE       0x1b
#define DELETE       0x7f

static void put(const char *text, size_t bytes)
{
    platform_console_write(text, bytes);
}

static void put_string(const char *text)
{
    put(text, strlen(text));
}

static void move_back(size_t columns)
{
    while (columns--)
        put("\b", 1);
}

/* Shows the line from the cursor on, clears what was behind it, and goes back to the cursor. */
static void show_tail(struct line_edit *edit)
{
    put(edit->line + edit->cursor, edit->length - edit->cursor);
    put_string("\x1b[K");
    move_back(edit->length - edit->cursor);
}

static void set_cursor(struct line_edit *edit, size_t cursor)
{
    if (cursor < edit->cursor)
        move_back(edit->cursor - cursor);
    else
        put(edit->line + edit->cursor, cursor - edit->cursor);
    edit->cursor = cursor;
}

static void set_line(struct line_edit *edit, const char *line)
{
    set_cursor(edit, 0);
    strcpy(edit->line, line);
    edit->length = strlen(line);
    show_tail(edit);
    set_cursor(edit, edit->length);
}

static void insert(struct line_edit *edit, char c)
{
    char *at = edit->line + edit->cursor;

    if (edit->length + 1 >= LINE_EDIT_MAX) {
        put("\a", 1);
        return;
    }
    memmove(at + 1, at, edit->length - edit->cursor + 1);
    *at = c;
    edit->length++;
    edit->cursor++;
    put(at, 1);
    if (edit->cursor < edit->length)
        show_tail(edit);
}

static void delete_under_cursor(struct line_edit *edit)
{
    char *at = edit->line + edit->cursor;

    if (edit->cursor == edit->length)
        return;
    memmove(at, at + 1, edit->length - edit->cursor);
    edit->length--;
    show_tail(edit);
}

static void delete_before_cursor(struct line_edit *edit)
{
    if (edit->cursor) {
        set_cursor(edit, edit->cursor - 1);
        delete_under_cursor(edit);
    }
}

static char *history_line(struct line_edit *edit, unsigned back)
{
    return edit->history[(edit->history_end - back) % LINE_EDIT_HISTORY];
}

static void show_history(struct line_edit *edit, unsigned back)
{
    if (back > edit->history_end || back > LINE_EDIT_HISTORY)
        return;
    if (!edit->history_back)
        strcpy(edit->draft, edit->line);
    edit->history_back = back;
    set_line(edit, back ? history_line(edit, back) : edit->draft);
}

static void move(struct line_edit *edit, char key)
{
    switch (key) {
    case 'A':
        show_history(edit, edit->history_back + 1);
        break;
    case 'B':
        if (edit->history_back)
            show_history(edit, edit->history_back - 1);
        break;
    case 'C':
        if (edit->cursor < edit->length)
            set_cursor(edit, edit->cursor + 1);
        break;
    case 'D':
        if (edit->cursor)
            set_cursor(edit, edit->cursor - 1);
        break;
    case 'H':
        set_cursor(edit, 0);
        break;
    case 'F':
        set_cursor(edit, edit->length);
        break;
    default:
        break;
    }
}

/* ESC [ parameters final: a key that takes a parameter takes it alone. */
static void input_csi(struct line_edit *edit, char c)
{
    if (c >= '0' && c <= '9')
        edit->parameter = (uint8_t)(edit->parameter * 10 + (c - '0'));
    if (c >= ' ' && c < '@')
        return;
    edit->state = STATE_TEXT;
    if (c != '~')
        move(edit, c);
    else if (edit->parameter == 1 || edit->parameter == 7)
        move(edit, 'H');
    else if (edit->parameter == 4 || edit->parameter == 8)
        move(edit, 'F');
    else if (edit->parameter == 3)
        delete_under_cursor(edit);
}

static enum line_edit_event input_text(struct line_edit *edit, char c)
{
    switch (c) {
    case '\r':
    case '\n':
        edit->state = c == '\r' ? STATE_AFTER_CR : STATE_TEXT;
        set_cursor(edit, edit->length);
        put("\n", 1);
        return LINE_EDIT_DONE;
    case CTRL('C'):
        put_string("^C\n");
        return LINE_EDIT_CANCELLED;
    case ESCAPE:
        edit->state = STATE_ESCAPE;
        break;
    case '\b':
    case DELETE:
        delete_before_cursor(edit);
        break;
    case CTRL('A'):
        move(edit, 'H');
        break;
    case CTRL('E'):
        move(edit, 'F');
        break;
    case CTRL('U'):
        set_line(edit, "");
        break;
    default:
        if (c >= ' ')
            insert(edit, c);
        break;
    }
    return LINE_EDIT_NOTHING;
}

enum line_edit_event line_edit_input(struct line_edit *edit, char c)
{
    switch (edit->state) {
    case STATE_AFTER_CR:
        edit->state = STATE_TEXT;
        return c == '\n' ? LINE_EDIT_NOTHING : input_text(edit, c);
    case STATE_ESCAPE:
        edit->parameter = 0;
        edit->state = c == '[' ? STATE_CSI : c == 'O' ? STATE_SS3 : STATE_TEXT;
        return LINE_EDIT_NOTHING;
    case STATE_CSI:
        input_csi(edit, c);
        return LINE_EDIT_NOTHING;
    case STATE_SS3:
        edit->state = STATE_TEXT;
        move(edit, c);
        return LINE_EDIT_NOTHING;
    default:
        return input_text(edit, c);
    }
}

void line_edit_begin(struct line_edit *edit)
{
    edit->line[0] = 0;
    edit->length = 0;
    edit->cursor = 0;
    edit->history_back = 0;
}

void line_edit_remember(struct line_edit *edit)
{
    if (!edit->length || (edit->history_end && !strcmp(history_line(edit, 1), edit->line)))
        return;
    strcpy(edit->history[edit->history_end++ % LINE_EDIT_HISTORY], edit->line);
}
