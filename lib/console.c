/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatted text, straight to the console. */
#include "lib/console.h"
#include "lib/platform.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void console_printf(const char *format, ...)
{
    char text[CONSOLE_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    platform_console_write(text, strlen(text));
}
