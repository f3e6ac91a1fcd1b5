/* SPDX-License-Identifier: BSD-2-Clause */
/* A fair (ticket) spin lock. None is held across an invalidation but that of a domain whose callers have no
 * other (iommu/domain.c); and none that is, is taken inside an RCU read section. */
#pragma once

#include "lib/atomic.h"
#include "lib/platform.h"
#include <stdbool.h>
#include <stdint.h>

struct spinlock {
    uint32_t next;  /* the ticket that the next one who comes will draw */
    uint32_t owner; /* the ticket that holds the lock */
};

#define SPINLOCK_INIT ((struct spinlock){0, 0})

/* Takes the lock. Not for a lock that an interrupt handler takes too. */
static inline void spin_lock(struct spinlock *lock)
{
    uint32_t ticket = atomic_fetch_add(&lock->next, 1u);

    while (atomic_read_acquire(&lock->owner) != ticket)
        platform_relax();
}

/* True if the lock was free and is now taken. */
static inline bool spin_trylock(struct spinlock *lock)
{
    uint32_t owner = atomic_read_acquire(&lock->owner); /* what its last holder has written is seen */

    return atomic_compare_exchange(&lock->next, &owner, owner + 1);
}

static inline void spin_unlock(struct spinlock *lock)
{
    atomic_write_release(&lock->owner, lock->owner + 1);
}

/* The same with interrupts off while it is held; returns what spin_unlock_irq() takes. */
static inline uint64_t spin_lock_irq(struct spinlock *lock)
{
    uint64_t saved = platform_irq_save();

    spin_lock(lock);
    return saved;
}

static inline void spin_unlock_irq(struct spinlock *lock, uint64_t saved)
{
    spin_unlock(lock);
    platform_irq_restore(saved);
}
