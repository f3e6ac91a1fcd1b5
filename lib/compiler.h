/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler is told about functions and data, and what it knows about types. */
#pragma once

#include <stddef.h>

#define MUST_CHECK           __attribute__((warn_unused_result))
#define ALWAYS_INLINE        inline __attribute__((always_inline))
#define NOINLINE             __attribute__((noinline))
#define UNLIKELY(condition)  __builtin_expect(!!(condition), 0)
#define NORETURN             __attribute__((noreturn))
#define PRINTF_LIKE(fmt, va) __attribute__((format(printf, fmt, va)))
#define SECTION(name)        __attribute__((section(name)))
#define USED                 __attribute__((used))
#define CACHE_LINE           64
#define CACHE_ALIGNED        __attribute__((aligned(CACHE_LINE)))

#define ARRAY_SIZE(array)                   (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
