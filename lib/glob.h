/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns for names: '*' stands for any run of characters, '?' for any one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* True if the whole name matches. Takes time in proportion to the product of the lengths at worst. */
static inline bool glob_matches(const char *glob, const char *name)
{
    const char *star = NULL; /* after the last '*' met, and how much of name it has taken */
    const char *taken = NULL;

    while (*name) {
        if (*glob == '*') {
            star = ++glob;
            taken = name;
        } else if (*glob == '?' || *glob == *name) {
            glob++;
            name++;
        } else if (star) {
            glob = star;
            name = ++taken;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return !*glob;
}
