/* SPDX-License-Identifier: BSD-2-Clause */
/* The loops that are timed. Compiled twice, with and without BENCH_PEER, so that both sides run the same. */
#include "tests/bench/rcu_side.h"
#include "tests/bench/bench.h"
#include "tests/bench/rcu_api.h"
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define READERS_MAX 3

/* An updater of many objects lets its own readers' state be known now and then. */
#define CALLS_A_QUIESCENT 64

/* A cache line, so that who queues and who runs callbacks on another CPU do not share any. */
struct object {
    struct rcu_head head;
    uint64_t value;
    uint64_t rest[5];
};

static struct object *shared;
static uint64_t sum; /* of what was read, so that it is read */

/* The compiler must not know what is read later, or it reads nothing. */
static void begin(void)
{
    shared = malloc(sizeof *shared);
    if (!shared)
        bench_fail("no memory");
    shared->value = bench_now_ns();
    api_online(0);
}

static void end(void)
{
    api_offline();
    free(shared);
}

static uint64_t time_read(unsigned n)
{
    uint64_t start = bench_now_ns(), seen = 0;

    for (unsigned i = 0; i < n; i++) {
        rcu_read_lock();
        seen += api_dereference(&shared)->value;
        rcu_read_unlock();
    }
    __atomic_store_n(&sum, seen, __ATOMIC_RELAXED);
    return bench_now_ns() - start;
}

static uint64_t time_quiescent(unsigned n)
{
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < n; i++)
        api_quiescent();
    return bench_now_ns() - start;
}

static uint64_t time_report(unsigned n)
{
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < n; i++) {
        api_start();
        api_quiescent();
    }
    return bench_now_ns() - start;
}

static uint64_t time_absence(unsigned n)
{
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < n; i++)
        api_absence();
    return bench_now_ns() - start;
}

static uint64_t time_synchronize(unsigned n)
{
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < n; i++)
        synchronize_rcu();
    return bench_now_ns() - start;
}

static unsigned readers_ready;
static bool readers_stop;

static void *reader(void *number)
{
    unsigned thread = (unsigned)(uintptr_t)number;
    uint64_t seen = 0;

    bench_pin(thread);
    api_online(thread);
    __atomic_fetch_add(&readers_ready, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&readers_stop, __ATOMIC_RELAXED)) {
        rcu_read_lock();
        seen += api_dereference(&shared)->value;
        rcu_read_unlock();
        api_quiescent();
    }
    __atomic_store_n(&sum, seen, __ATOMIC_RELAXED);
    api_offline();
    return NULL;
}

/* Readers are threads, and CPUs to ours, 1 to count. */
static uint64_t with_readers(unsigned count, uint64_t (*time)(unsigned n), unsigned n)
{
    pthread_t threads[READERS_MAX];
    uint64_t ns;

    readers_ready = 0;
    __atomic_store_n(&readers_stop, false, __ATOMIC_RELAXED);
    for (uintptr_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, reader, (void *)(i + 1)))
            bench_fail("no thread for a reader");
    while (__atomic_load_n(&readers_ready, __ATOMIC_SEQ_CST) < count)
        api_quiescent();
    ns = time(n);
    __atomic_store_n(&readers_stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return ns;
}

static uint64_t time_synchronize_1(unsigned n)
{
    return with_readers(1, time_synchronize, n);
}

static uint64_t time_synchronize_3(unsigned n)
{
    return with_readers(3, time_synchronize, n);
}

static unsigned callbacks_run; /* by one thread at a time */

static void count(struct rcu_head *head)
{
    (void)head;
    callbacks_run++;
}

static void count_and_free(struct rcu_head *head)
{
    callbacks_run++;
    free((char *)head - offsetof(struct object, head));
}

/* Ends what was queued, and makes sure that it all ran. */
static void finish(unsigned n)
{
    rcu_barrier();
    if (callbacks_run != n)
        bench_fail("callbacks were lost");
    callbacks_run = 0;
}

/* Pages are touched before they are timed. */
static struct object *objects(unsigned n)
{
    static struct object *pool;
    static unsigned pool_objects;

    if (n > pool_objects) {
        free(pool);
        pool = aligned_alloc(sizeof *pool, n * sizeof *pool);
        if (!pool)
            bench_fail("no memory");
        for (unsigned i = 0; i < n; i++)
            pool[i] = (struct object){.value = i};
        pool_objects = n;
    }
    return pool;
}

static uint64_t time_call(unsigned n)
{
    struct object *pool = objects(n);
    uint64_t start = bench_now_ns(), ns;

    for (unsigned i = 0; i < n; i++)
        call_rcu(&pool[i].head, count);
    ns = bench_now_ns() - start;
    finish(n);
    return ns;
}

static uint64_t time_callbacks(unsigned n)
{
    struct object *pool = objects(n);
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < n; i++) {
        call_rcu(&pool[i].head, count);
        if (i % CALLS_A_QUIESCENT == 0)
            api_quiescent();
    }
    finish(n);
    return bench_now_ns() - start;
}

static uint64_t time_frees(unsigned n)
{
    uint64_t start = bench_now_ns();

    for (unsigned i = 0; i < n; i++) {
        struct object *object = malloc(sizeof *object);

        if (!object)
            bench_fail("no memory");
        object->value = i;
        call_rcu(&object->head, count_and_free);
        if (i % CALLS_A_QUIESCENT == 0)
            api_quiescent();
    }
    finish(n);
    return bench_now_ns() - start;
}

static uint64_t time_frees_1_reader(unsigned n)
{
    return with_readers(1, time_frees, n);
}

const struct rcu_side SIDE = {
    .begin = begin,
    .end = end,
    .read = time_read,
    .quiescent = time_quiescent,
    .report = time_report,
    .absence = time_absence,
    .synchronize = time_synchronize,
    .synchronize_1 = time_synchronize_1,
    .synchronize_3 = time_synchronize_3,
    .call = time_call,
    .callbacks = time_callbacks,
    .frees = time_frees,
    .frees_1_reader = time_frees_1_reader,
};

/* For the disassembler. */
#ifdef BENCH_PEER
#define READ_PAIR bench_read_pair_peer
#else
#define READ_PAIR bench_read_pair_ours
#endif
void READ_PAIR(void);

__attribute__((noinline, used)) void READ_PAIR(void)
{
    rcu_read_lock();
    rcu_read_unlock();
}
