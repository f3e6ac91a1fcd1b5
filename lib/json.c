/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON objects, a line each. */
#include "lib/json.h"
#include "lib/platform.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Room for what json_print() adds. */
#define END_BYTES 2

static void PRINTF_LIKE(2, 3) add(struct json *json, const char *format, ...)
{
    size_t room = sizeof json->text - END_BYTES - json->bytes;
    va_list arguments;
    int bytes;

    va_start(arguments, format);
    bytes = vsnprintf(json->text + json->bytes, room, format, arguments);
    va_end(arguments);
    if (bytes < 0 || (size_t)bytes >= room)
        json->too_long = true;
    else
        json->bytes += (size_t)bytes;
}

void json_begin(struct json *json)
{
    json->bytes = 0;
    json->comma = false;
    json->too_long = false;
    add(json, "{");
}

static void add_name(struct json *json, const char *name)
{
    add(json, "%s\"%s\":", json->comma ? "," : "", name);
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
