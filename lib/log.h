/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: a ring of lines, each with its time, CPU and level, shown on the console as it is written. */
#pragma once

#include "lib/compiler.h"
#include <stddef.h>

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
};

/* Lines above this level go to the ring only. LOG_INFO at start. */
void log_set_console_level(enum log_level level);

/* Adds one line (no newline at its end). Any CPU, any context but an NMI; cuts what is longer than 240 bytes.
 */
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* Copies the newest lines of the ring that fit, whole and each ended by a newline, into buffer; returns their
 * bytes. */
size_t log_copy(char *buffer, size_t bytes);
