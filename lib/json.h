/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON for commands that are asked for --json: an object is built in a buffer and printed as one line and in
 * one piece, so that the log of another CPU comes before or after it. */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With its newline. A command prints an object for each unit, domain or fault, never one for all of them. */
#define JSON_LINE_MAX 2560

struct json {
    char text[JSON_LINE_MAX];
    size_t bytes;
    bool comma;     /* something stands before on this level */
    bool in_pieces; /* what does not fit is no matter: what stands is printed to make room */
    bool too_long;  /* it did not fit */
};

/* Begins an object. */
void json_begin(struct json *json);

/* Begins one of any length, for programs on a host, where nobody else writes between its pieces. */
void json_begin_in_pieces(struct json *json);

/* Members of it. Names are literals that need no escape; of a text any byte is escaped that is not printable
 * ASCII, as if it were Latin-1. */
void json_number(struct json *json, const char *name, uint64_t value);
void json_bool(struct json *json, const char *name, bool value);
void json_text(struct json *json, const char *name, const char *text);

/* A member that is an object: what comes until json_close() are its members. */
void json_open(struct json *json, const char *name);
void json_close(struct json *json);

/* A member that is a list, until json_close_list(). In a list, and only there, name is NULL for any of the
 * members above, and for lists: they are its items. */
void json_open_list(struct json *json, const char *name);
void json_close_list(struct json *json);

/* Ends the object and prints it; or, when it did not fit, one whose only member "too_long" is true: half an
 * object is nothing that could be read. Any CPU, any context but an NMI. */
void json_print(struct json *json);
