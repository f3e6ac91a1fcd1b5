/* SPDX-License-Identifier: BSD-2-Clause */
/* A lock that never keeps a last word from being said. Whoever dies may hold it, or may have interrupted its
 * holder: so it is taken over when its owner is this very CPU, and when it was not to be had within a second.
 * What it guards (the log, the console) must at worst look garbled then, and must stay within bounds. */
#pragma once

#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/platform.h"
#include "lib/units.h"
#include <stdint.h>

struct console_lock {
    uint32_t owner; /* its CPU's number + 1; 0: free */
};

static inline bool console_lock_try(struct console_lock *lock, uint32_t owner)
{
    uint32_t expected = 0;

    return atomic_compare_exchange(&lock->owner, &expected, owner);
}

/* Returns what console_lock_release() takes: this CPU's number + 1 if it has the lock already (an interrupt
 * or a panic came between), else 0. Any context, NMIs and panics included. */
static inline uint32_t console_lock_take(struct console_lock *lock)
{
    uint32_t self = platform_cpu_id() + 1;

    if (atomic_read(&lock->owner) == self)
        return self;
    if (!wait_until(console_lock_try(lock, self), NS_PER_S))
        atomic_write(&lock->owner, self);
    return 0;
}

static inline void console_lock_release(struct console_lock *lock, uint32_t previous)
{
    atomic_write_release(&lock->owner, previous);
}
