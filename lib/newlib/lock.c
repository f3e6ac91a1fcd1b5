/* SPDX-License-Identifier: BSD-2-Clause */
/* newlib's locks: recursive spin locks, owned by a CPU. */
#include "lib/compiler.h"
#include "lib/spinlock.h"
#include <sys/lock.h>

#define NO_OWNER UINT32_MAX

struct __lock {
    struct spinlock spin;
    uint32_t owner; /* the CPU that holds spin, or NO_OWNER */
    uint32_t depth; /* the owner's alone */
    uint64_t irq;   /* the owner's alone */
};

/* The one lock that those parts of newlib take which tools/newlib builds. */
struct __lock __lock___malloc_recursive_mutex = {.owner = NO_OWNER};

/* Interrupts stay off while the lock is held: a handler that allocates would otherwise wait for the CPU that
 * it interrupted, or enter the heap in the middle of a change, since it has that CPU's number. */
void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    uint32_t self = platform_cpu_id();
    uint64_t irq;

    /* Nobody but this CPU writes its own number there, so another CPU's store cannot make this true. */
    if (atomic_read(&lock->owner) == self) {
        lock->depth++;
        return;
    }
    irq = spin_lock_irq(&lock->spin);
    lock->irq = irq;
    atomic_write(&lock->owner, self);
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (lock->depth > 0) {
        lock->depth--;
        return;
    }
    atomic_write(&lock->owner, NO_OWNER);
    spin_unlock_irq(&lock->spin, lock->irq);
}
