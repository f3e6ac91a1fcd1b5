/* SPDX-License-Identifier: BSD-2-Clause */
/* Output on the console. newlib formats; its streams are left out, since what is printed must be seen at once
 * and together, also when there is no memory for a buffer. */
#include "lib/platform.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRINT_LINE_MAX 512

#undef putchar

int vprintf(const char *format, va_list arguments)
{
    char line[PRINT_LINE_MAX];
    char *text = line;
    va_list again;
    int bytes;

    va_copy(again, arguments);
    bytes = vsnprintf(line, sizeof(line), format, arguments);
    if (bytes >= (int)sizeof(line)) {
        text = malloc((size_t)bytes + 1);
        if (text) {
            vsnprintf(text, (size_t)bytes + 1, format, again);
        } else {
            text = line;
            bytes = (int)sizeof(line) - 1;
        }
    }
    va_end(again);
    if (bytes > 0)
        platform_console_write(text, (size_t)bytes);
    if (text != line)
        free(text);
    return bytes;
}

int printf(const char *format, ...)
{
    va_list arguments;
    int bytes;

    va_start(arguments, format);
    bytes = vprintf(format, arguments);
    va_end(arguments);
    return bytes;
}

int puts(const char *text)
{
    return printf("%s\n", text);
}

int putchar(int c)
{
    char byte = (char)c;

    platform_console_write(&byte, 1);
    return (unsigned char)byte;
}
