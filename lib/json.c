/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON objects, a line each. */
#include "lib/json.h"
#include "lib/platform.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Room for what json_print() adds. */
#define END_BYTES 2

/* True if it fitted. */
static bool try_add(struct json *json, const char *format, va_list arguments)
{
    size_t room = sizeof json->text - END_BYTES - json->bytes;
    int bytes = vsnprintf(json->text + json->bytes, room, format, arguments);

    if (bytes < 0 || (size_t)bytes >= room)
        return false;
    json->bytes += (size_t)bytes;
    return true;
}

static void PRINTF_LIKE(2, 3) add(struct json *json, const char *format, ...)
{
    va_list arguments, again;
    bool fits;

    va_start(arguments, format);
    va_copy(again, arguments);
    fits = try_add(json, format, arguments);
    if (!fits && json->in_pieces) {
        platform_console_write(json->text, json->bytes);
        json->bytes = 0;
        fits = try_add(json, format, again);
    }
    va_end(again);
    va_end(arguments);
    if (!fits)
        json->too_long = true;
}

void json_begin(struct json *json)
{
    json->bytes = 0;
    json->comma = false;
    json->in_pieces = false;
    json->too_long = false;
    add(json, "{");
}

void json_begin_in_pieces(struct json *json)
{
    json_begin(json);
    json->in_pieces = true;
}

static void add_name(struct json *json, const char *name)
{
    if (json->comma)
        add(json, ",");
    if (name)
        add(json, "\"%s\":", name);
    json->comma = true;
}

void json_number(struct json *json, const char *name, uint64_t value)
{
    add_name(json, name);
    add(json, "%" PRIu64, value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    add_name(json, name);
    add(json, "%s", value ? "true" : "false");
}

static void add_character(struct json *json, unsigned char c)
{
    if (c == '"' || c == '\\')
        add(json, "\\%c", c);
    else if (c < ' ' || c > '~')
        add(json, "\\u%04x", c);
    else
        add(json, "%c", c);
}

void json_text(struct json *json, const char *name, const char *text)
{
    add_name(json, name);
    add(json, "\"");
    while (*text)
        add_character(json, (unsigned char)*text++);
    add(json, "\"");
}

void json_open(struct json *json, const char *name)
{
    add_name(json, name);
    add(json, "{");
    json->comma = false;
}

void json_close(struct json *json)
{
    add(json, "}");
    json->comma = true;
}

void json_open_list(struct json *json, const char *name)
{
    add_name(json, name);
    add(json, "[");
    json->comma = false;
}

void json_close_list(struct json *json)
{
    add(json, "]");
    json->comma = true;
}

void json_print(struct json *json)
{
    if (json->too_long) {
        json_begin(json);
        json_bool(json, "too_long", true);
    }
    json->text[json->bytes++] = '}';
    json->text[json->bytes++] = '\n';
    platform_console_write(json->text, json->bytes);
}
