/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of string.h that the loader uses and GNU-EFI's library does not have. newlib's are built for
 * the hypervisor's addresses. */
#include <stdint.h>
#include <string.h>

int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *left = a;
    const uint8_t *right = b;

    for (size_t i = 0; i < bytes; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *left = to;
    const uint8_t *right = from;

    if ((uintptr_t)to < (uintptr_t)from)
        for (size_t i = 0; i < bytes; i++)
            left[i] = right[i];
    else
        for (size_t i = bytes; i > 0; i--)
            left[i - 1] = right[i - 1];
    return to;
}

void *memchr(const void *from, int byte, size_t bytes)
{
    const uint8_t *at = from;

    for (size_t i = 0; i < bytes; i++)
        if (at[i] == (uint8_t)byte)
            return (void *)(uintptr_t)&at[i];
    return NULL;
}

size_t strlen(const char *text)
{
    size_t bytes = 0;

    while (text[bytes] != 0)
        bytes++;
    return bytes;
}

int strcmp(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}
