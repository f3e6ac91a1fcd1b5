/* SPDX-License-Identifier: BSD-2-Clause */
/* Atomic accesses, one name each, so that every one of them can be found, and watched by a test's scheduler.
 *
 * Each takes a pointer to a naturally aligned integer or pointer. An access is relaxed unless its name says
 * otherwise; read-modify-writes are full barriers (on x86 a locked instruction is one, so nothing is lost).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define atomic_read(p)         __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_read_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)

#define atomic_write(p, value)         __atomic_store_n((p), (value), __ATOMIC_RELAXED)
#define atomic_write_release(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)

#define atomic_exchange(p, value)  __atomic_exchange_n((p), (value), __ATOMIC_SEQ_CST)
#define atomic_fetch_add(p, value) __atomic_fetch_add((p), (value), __ATOMIC_SEQ_CST)
#define atomic_fetch_sub(p, value) __atomic_fetch_sub((p), (value), __ATOMIC_SEQ_CST)
#define atomic_fetch_or(p, value)  __atomic_fetch_or((p), (value), __ATOMIC_SEQ_CST)
#define atomic_fetch_and(p, value) __atomic_fetch_and((p), (value), __ATOMIC_SEQ_CST)

/* True if *p was *expected and is now desired; else *expected holds what was found. */
#define atomic_compare_exchange(p, expected, desired)                                                        \
    __atomic_compare_exchange_n((p), (expected), (desired), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* The same of 16 bytes, at an address that is a multiple of 16: two words of which hardware or another CPU
 * sees both changed, or neither. Needs cmpxchg16b, which every CPU beside a VT-d unit has (-mcx16). */
static inline bool atomic_compare_exchange_pair(uint64_t pair[2], uint64_t expected[2],
                                                const uint64_t desired[2])
{
    unsigned __int128 old = (unsigned __int128)expected[1] << 64 | expected[0];
    unsigned __int128 found = __sync_val_compare_and_swap((unsigned __int128 *)(void *)pair, old,
                                                          (unsigned __int128)desired[1] << 64 | desired[0]);

    expected[0] = (uint64_t)found;
    expected[1] = (uint64_t)(found >> 64);
    return found == old;
}

/* Orders every access before it against every access after it, stores against later loads included. */
#define atomic_fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Keeps the compiler from moving accesses across; emits no instruction. */
#define compiler_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
