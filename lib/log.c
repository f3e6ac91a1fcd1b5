/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's ring, and the way of its lines to the console. */
#include "lib/log.h"
#include "lib/console_lock.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RING_BYTES 65536u /* a power of two */
#define TEXT_MAX   240
#define LINE_BYTES (TEXT_MAX + 48) /* with the time, CPU and level before the text, and the newline */

static struct {
    struct console_lock lock;
    enum log_level console_level;
    uint64_t end; /* bytes ever written; the next one goes to ring[end % RING_BYTES] */
    char ring[RING_BYTES];
} log_state = {.console_level = LOG_INFO};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_console_level(enum log_level level)
{
    atomic_write(&log_state.console_level, level);
}

static void ring_append(const char *text, size_t bytes)
{
    size_t at = log_state.end % RING_BYTES;
    size_t first = bytes < RING_BYTES - at ? bytes : RING_BYTES - at;

    memcpy(log_state.ring + at, text, first);
    memcpy(log_state.ring, text + first, bytes - first);
    log_state.end += bytes;
}

/* Firmware's strings come this way too: one call is one line, and nothing in it moves the console's cursor.
 */
static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

void log_line(enum log_level level, const char *format, ...)
{
    char text[TEXT_MAX + 1];
    char line[LINE_BYTES];
    uint64_t us = platform_time_ns() / NS_PER_US;
    uint64_t interrupts;
    uint32_t previous;
    va_list arguments;
    int bytes;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    make_printable(text);
    bytes = snprintf(line, sizeof(line), "[%4lu.%06lu] cpu%u %s: %s\n", (unsigned long)(us / 1000000),
                     (unsigned long)(us % 1000000), platform_cpu_id(), level_names[level], text);
    if (bytes <= 0)
        return;

    /* An interrupt's lines do not come into the middle of this one. */
    interrupts = platform_irq_save();
    previous = console_lock_take(&log_state.lock);
    ring_append(line, (size_t)bytes);
    if (level <= atomic_read(&log_state.console_level))
        platform_console_write(line, (size_t)bytes);
    console_lock_release(&log_state.lock, previous);
    platform_irq_restore(interrupts);
}

/* The first byte after the next newline at or after position. */
static uint64_t next_line(uint64_t position)
{
    while (position < log_state.end && log_state.ring[position % RING_BYTES] != '\n')
        position++;
    return position < log_state.end ? position + 1 : position;
}

size_t log_copy(char *buffer, size_t bytes)
{
    uint64_t interrupts = platform_irq_save();
    uint32_t previous = console_lock_take(&log_state.lock);
    uint64_t end = log_state.end;
    uint64_t start = 0;
    size_t copied = 0;

    if (end > RING_BYTES)
        start = next_line(end - RING_BYTES);
    /* The byte before a whole line's first one is a newline: looking there first keeps a line that just fits.
     */
    if (end - start > bytes)
        start = next_line(end - bytes - 1);
    while (start < end)
        buffer[copied++] = log_state.ring[start++ % RING_BYTES];
    console_lock_release(&log_state.lock, previous);
    platform_irq_restore(interrupts);
    return copied;
}
