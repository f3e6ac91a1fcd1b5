/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler calls for each access of code built with -fsanitize=thread, in the place of
 * ThreadSanitizer's own library. The names are those of LLVM's tsan_interface.h and tsan_interface_atomic.h.
 */
#include "tests/host/accesses.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include <stdio.h>
#include <stdlib.h>

static void (*hook)(enum access access, const volatile uint64_t *entry);
static bool in_hook;

void accesses_watch(void (*new_hook)(enum access access, const volatile uint64_t *entry))
{
    hook = new_hook;
}

static void show(enum access access, const volatile void *address)
{
    if (!hook || in_hook)
        return;
    if ((uintptr_t)address - platform_direct_map < GIB) {
        fputs("an entry that points to no table was followed\n", stderr);
        abort();
    }
    if (!tree_in_arena(address))
        return;
    in_hook = true;
    hook(access, (const volatile uint64_t *)align_down((uintptr_t)address, sizeof(uint64_t)));
    in_hook = false;
}

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void *unused);
void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void *unused)
{
    (void)unused;
}

void __tsan_atomic_thread_fence(int order)
{
    (void)order;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
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
        show(ACCESS_READ, address);                                                                          \
    }                                                                                                        \
    void __tsan_write##bytes(void *address)                                                                  \
    {                                                                                                        \
        show(ACCESS_PLAIN_STORE, address);                                                                   \
    }                                                                                                        \
    void __tsan_unaligned_read##bytes(void *address)                                                         \
    {                                                                                                        \
        show(ACCESS_READ, address);                                                                          \
    }                                                                                                        \
    void __tsan_unaligned_write##bytes(void *address)                                                        \
    {                                                                                                        \
        show(ACCESS_PLAIN_STORE, address);                                                                   \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

/* Of plain accesses to a range only a store matters: where it begins. */
void __tsan_read_range(void *address, long bytes);
void __tsan_write_range(void *address, long bytes);

void __tsan_read_range(void *address, long bytes)
{
    (void)bytes;
    show(ACCESS_READ, address);
}

void __tsan_write_range(void *address, long bytes)
{
    (void)bytes;
    show(ACCESS_PLAIN_STORE, address);
}

/* Order is at least what is asked for. The types are those of gcc, which knows these functions. */
#define LOCKED(bits, name, builtin)                                                                          \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile void *address, uint##bits##_t value, int order);    \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile void *address, uint##bits##_t value, int order)     \
    {                                                                                                        \
        (void)order;                                                                                         \
        show(ACCESS_LOCKED, address);                                                                        \
        return builtin((volatile uint##bits##_t *)address, value, __ATOMIC_SEQ_CST);                         \
    }

#define LOAD_AND_STORE(bits)                                                                                 \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile void *address, int order);                      \
    void __tsan_atomic##bits##_store(volatile void *address, uint##bits##_t value, int order);               \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile void *address, int order)                       \
    {                                                                                                        \
        (void)order;                                                                                         \
        show(ACCESS_READ, address);                                                                          \
        return __atomic_load_n((const volatile uint##bits##_t *)address, __ATOMIC_SEQ_CST);                  \
    }                                                                                                        \
    void __tsan_atomic##bits##_store(volatile void *address, uint##bits##_t value, int order)                \
    {                                                                                                        \
        (void)order;                                                                                         \
        show(ACCESS_ATOMIC_STORE, address);                                                                  \
        __atomic_store_n((volatile uint##bits##_t *)address, value, __ATOMIC_SEQ_CST);                       \
    }

#define COMPARE_EXCHANGE(bits)                                                                               \
    bool __tsan_atomic##bits##_compare_exchange_strong(volatile void *address, void *expected,               \
                                                       uint##bits##_t desired, int order, int failure);      \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                               \
        volatile void *address, uint##bits##_t expected, uint##bits##_t desired, int order, int failure);    \
    bool __tsan_atomic##bits##_compare_exchange_strong(volatile void *address, void *expected,               \
                                                       uint##bits##_t desired, int order, int failure)       \
    {                                                                                                        \
        (void)order;                                                                                         \
        (void)failure;                                                                                       \
        show(ACCESS_LOCKED, address);                                                                        \
        return __atomic_compare_exchange_n((volatile uint##bits##_t *)address, (uint##bits##_t *)expected,   \
                                           desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                  \
    }                                                                                                        \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                               \
        volatile void *address, uint##bits##_t expected, uint##bits##_t desired, int order, int failure)     \
    {                                                                                                        \
        (void)__tsan_atomic##bits##_compare_exchange_strong(address, &expected, desired, order, failure);    \
        return expected;                                                                                     \
    }

#define ATOMIC(bits)                                                                                         \
    LOCKED(bits, exchange, __atomic_exchange_n)                                                              \
    LOCKED(bits, fetch_add, __atomic_fetch_add)                                                              \
    LOCKED(bits, fetch_sub, __atomic_fetch_sub)                                                              \
    LOCKED(bits, fetch_and, __atomic_fetch_and)                                                              \
    LOCKED(bits, fetch_or, __atomic_fetch_or)                                                                \
    LOAD_AND_STORE(bits)                                                                                     \
    COMPARE_EXCHANGE(bits)

ATOMIC(32)
ATOMIC(64)

/* A pair of words at once: only the compare-and-swap is used (lib/atomic.h). */
typedef unsigned __int128 uint128_t;

bool __tsan_atomic128_compare_exchange_strong(volatile void *address, void *expected, uint128_t desired,
                                              int order, int failure);
uint128_t __tsan_atomic128_compare_exchange_val(volatile void *address, uint128_t expected, uint128_t desired,
                                                int order, int failure);

uint128_t __tsan_atomic128_compare_exchange_val(volatile void *address, uint128_t expected, uint128_t desired,
                                                int order, int failure)
{
    (void)order;
    (void)failure;
    show(ACCESS_LOCKED, address);
    return __sync_val_compare_and_swap((volatile uint128_t *)address, expected, desired);
}

bool __tsan_atomic128_compare_exchange_strong(volatile void *address, void *expected, uint128_t desired,
                                              int order, int failure)
{
    uint128_t old = *(uint128_t *)expected;

    *(uint128_t *)expected = __tsan_atomic128_compare_exchange_val(address, old, desired, order, failure);
    return *(uint128_t *)expected == old;
}
