/* SPDX-License-Identifier: BSD-2-Clause */
/* What the model calls out. */
#pragma once

#include "lib/compiler.h"

enum violation {
    VIOLATION_NONE,
    VIOLATION_FREED_WALK,     /* hardware reads a table in memory that was freed, or reused since */
    VIOLATION_FREED_CACHED,   /* memory is freed while an agent still caches an entry that points to it */
    VIOLATION_FREED_SOFTWARE, /* software touches a page that it freed */
    VIOLATION_RESERVED_BITS,  /* in an entry that hardware reads */
    VIOLATION_REGISTER,       /* a register written in a state, or with a value, that the spec forbids */
    VIOLATION_COMMAND,        /* more than one command bit changed at once, or before the last one showed */
    VIOLATION_DESCRIPTOR,     /* an invalidation descriptor with a wrong field */
    VIOLATION_QUEUE,          /* a descriptor changed, or a tail moved, where hardware was reading */
    VIOLATION_LIVE_ENTRY,     /* an entry changed while in use, without the guided invalidation */
    VIOLATION_STALE,          /* a translation used after software was told that it is gone */
    VIOLATION_SPURIOUS_FAULT, /* a request was refused, though all it needs stood all the time */
    VIOLATION_LOST_WRITE,     /* a write that no harvest reported in time */
    VIOLATION_FORBIDDEN,      /* an agent reaches memory that it should not */
    VIOLATION_INTERRUPT,   /* an interrupt reached a CPU that should have been blocked, or went elsewhere */
    VIOLATION_STUCK,       /* nobody can go on, or nobody gets anywhere */
    VIOLATION_PANIC,       /* the driver ended the run: platform_panic() */
    VIOLATION_EXPECTATION, /* what a scenario itself asks for does not hold */
};

/* The name of a violation, as scenarios and reports have it. */
const char *violation_name(enum violation what);

/* Ends the run, and says what was wrong. */
NORETURN void violation(enum violation what, const char *format, ...) PRINTF_LIKE(2, 3);

/* What a scenario asks for besides. */
#define expect(condition)                                                                                    \
    ((condition) ? (void)0 : violation(VIOLATION_EXPECTATION, "%s:%d: %s", __FILE__, __LINE__, #condition))
#define expect_equal(left, right)                                                                            \
    do {                                                                                                     \
        long long left_ = (long long)(left), right_ = (long long)(right);                                    \
        if (left_ != right_)                                                                                 \
            violation(VIOLATION_EXPECTATION, "%s:%d: %s is %lld (%#llx), not %lld (%#llx)", __FILE__,        \
                      __LINE__, #left, left_, (unsigned long long)left_, right_,                             \
                      (unsigned long long)right_);                                                           \
    } while (0)
