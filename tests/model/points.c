/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler calls for each memory access of code built with -fsanitize=thread. Linked instead of
 * ThreadSanitizer's own library, so that each access of unchanged code to memory that others see is a point
 * of the schedule. The names and types are those of LLVM's compiler-rt, tsan_interface.h and
 * tsan_interface_atomic.h. */
#include "tests/model/machine.h"
#include "tests/model/memory.h"
#include "tests/model/schedule.h"
#include "tests/model/store_buffer.h"
#include "tests/model/where.h"
#include <stddef.h>

/* While no run is on the arena is made; and what the allocator does is one step. */
static bool no_point(void)
{
    return !agent_current() || memory_in_allocator();
}

static void point(enum point kind, const volatile void *address, size_t bytes, bool store)
{
    if (no_point())
        return;
    store_buffer_step();
    memory_maybe_evict();
    schedule_point(kind, address);
    machine_deliver_interrupts();
    memory_check_software(address, bytes, store);
}

/* Of plain accesses only those to the arena count, which hardware may see. Others do not look at the rest
 * while it changes; but a store must not be overtaken by an older one to the same place. */
static void plain(const volatile void *address, size_t bytes, bool store)
{
    if (no_point())
        return;
    if (memory_is_arena(address)) {
        point(store ? POINT_WRITE : POINT_READ, address, bytes, store);
        if (store)
            store_buffer_drain();
    } else if (store) {
        store_buffer_drain_for(address, (unsigned)bytes);
    }
}

static void locked(const volatile void *address, size_t bytes)
{
    point(POINT_ATOMIC, address, bytes, true); /* what is in the buffer is not seen yet */
    store_buffer_drain();
}

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *address, size_t bytes);
void __tsan_write_range(void *address, size_t bytes);
void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
    where_enter(__builtin_return_address(0));
}

void __tsan_func_exit(void)
{
    where_leave();
}

void __tsan_read_range(void *address, size_t bytes)
{
    plain(address, bytes, false);
}

void __tsan_write_range(void *address, size_t bytes)
{
    plain(address, bytes, true);
}

void __tsan_atomic_thread_fence(int order)
{
    if (order != __ATOMIC_SEQ_CST)
        return;
    if (!no_point())
        schedule_point(POINT_FENCE, NULL);
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

#define PLAIN(bytes)                                                                                         \
    void __tsan_read##bytes(void *address);                                                                  \
    void __tsan_write##bytes(void *address);                                                                 \
    void __tsan_unaligned_read##bytes(void *address);                                                        \
    void __tsan_unaligned_write##bytes(void *address);                                                       \
    void __tsan_read##bytes(void *address)                                                                   \
    {                                                                                                        \
        plain(address, bytes, false);                                                                        \
    }                                                                                                        \
    void __tsan_write##bytes(void *address)                                                                  \
    {                                                                                                        \
        plain(address, bytes, true);                                                                         \
    }                                                                                                        \
    void __tsan_unaligned_read##bytes(void *address)                                                         \
    {                                                                                                        \
        plain(address, bytes, false);                                                                        \
    }                                                                                                        \
    void __tsan_unaligned_write##bytes(void *address)                                                        \
    {                                                                                                        \
        plain(address, bytes, true);                                                                         \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

#define LOCKED(bits, type, name)                                                                             \
    type __tsan_atomic##bits##_##name(volatile type *address, type value, int order);                        \
    type __tsan_atomic##bits##_##name(volatile type *address, type value, int order)                         \
    {                                                                                                        \
        (void)order;                                                                                         \
        locked(address, sizeof(type));                                                                       \
        return LOCKED_##name(address, value);                                                                \
    }

#define LOCKED_exchange(address, value)  __atomic_exchange_n(address, value, __ATOMIC_SEQ_CST)
#define LOCKED_fetch_add(address, value) __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST)
#define LOCKED_fetch_sub(address, value) __atomic_fetch_sub(address, value, __ATOMIC_SEQ_CST)
#define LOCKED_fetch_and(address, value) __atomic_fetch_and(address, value, __ATOMIC_SEQ_CST)
#define LOCKED_fetch_or(address, value)  __atomic_fetch_or(address, value, __ATOMIC_SEQ_CST)

#define ATOMIC(bits, type)                                                                                   \
    type __tsan_atomic##bits##_load(const volatile type *address, int order);                                \
    void __tsan_atomic##bits##_store(volatile type *address, type value, int order);                         \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type *address, type *expected, type desired,  \
                                                      int order, int failure);                               \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *address, type expected, type desired,     \
                                                    int order, int failure);                                 \
    type __tsan_atomic##bits##_load(const volatile type *address, int order)                                 \
    {                                                                                                        \
        (void)order;                                                                                         \
        point(POINT_READ, address, sizeof(type), false);                                                     \
        return __atomic_load_n(address, __ATOMIC_SEQ_CST);                                                   \
    }                                                                                                        \
    void __tsan_atomic##bits##_store(volatile type *address, type value, int order)                          \
    {                                                                                                        \
        point(POINT_ATOMIC, address, sizeof(type), true);                                                    \
        store_buffer_store(address, sizeof(type), value);                                                    \
        if (order == __ATOMIC_SEQ_CST)                                                                       \
            store_buffer_drain();                                                                            \
    }                                                                                                        \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type *address, type *expected, type desired,  \
                                                      int order, int failure)                                \
    {                                                                                                        \
        (void)order;                                                                                         \
        (void)failure;                                                                                       \
        locked(address, sizeof(type));                                                                       \
        return __atomic_compare_exchange_n(address, expected, desired, 0, __ATOMIC_SEQ_CST,                  \
                                           __ATOMIC_SEQ_CST);                                                \
    }                                                                                                        \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *address, type expected, type desired,     \
                                                    int order, int failure)                                  \
    {                                                                                                        \
        (void)__tsan_atomic##bits##_compare_exchange_strong(address, &expected, desired, order, failure);    \
        return expected;                                                                                     \
    }                                                                                                        \
    LOCKED(bits, type, exchange)                                                                             \
    LOCKED(bits, type, fetch_add)                                                                            \
    LOCKED(bits, type, fetch_sub)                                                                            \
    LOCKED(bits, type, fetch_and)                                                                            \
    LOCKED(bits, type, fetch_or)

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

/* A pair of words at once: only the compare-and-swap is used (lib/atomic.h). */
typedef unsigned __int128 pair;

int __tsan_atomic128_compare_exchange_strong(volatile pair *address, pair *expected, pair desired, int order,
                                             int failure);
pair __tsan_atomic128_compare_exchange_val(volatile pair *address, pair expected, pair desired, int order,
                                           int failure);

pair __tsan_atomic128_compare_exchange_val(volatile pair *address, pair expected, pair desired, int order,
                                           int failure)
{
    (void)order;
    (void)failure;
    locked(address, sizeof *address);
    return __sync_val_compare_and_swap(address, expected, desired);
}

int __tsan_atomic128_compare_exchange_strong(volatile pair *address, pair *expected, pair desired, int order,
                                             int failure)
{
    pair old = *expected;

    *expected = __tsan_atomic128_compare_exchange_val(address, old, desired, order, failure);
    return *expected == old;
}
