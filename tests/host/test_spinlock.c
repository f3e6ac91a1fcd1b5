/* SPDX-License-Identifier: BSD-2-Clause */
/* The spin lock, on threads: also under ThreadSanitizer, which sees an order that is missing though the
 * machine has it. */
#include "lib/spinlock.h"
#include "tests/host/unit.h"
#include <pthread.h>

#define THREADS 2
#define ROUNDS  20000u

static struct spinlock lock;
static uint64_t counter; /* plain: the lock's */

static void *count_locked(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        spin_lock(&lock);
        counter++;
        spin_unlock(&lock);
    }
    return unused;
}

static void *count_tried(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (!spin_trylock(&lock))
            platform_relax();
        counter++;
        spin_unlock(&lock);
    }
    return unused;
}

static void count_by(void *(*first)(void *), void *(*second)(void *))
{
    pthread_t threads[THREADS];

    counter = 0;
    assert_int_equal(pthread_create(&threads[0], NULL, first, NULL), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, second, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counter, THREADS * ROUNDS);
}

static void one_holder_sees_what_the_last_one_wrote(void **state)
{
    (void)state;
    count_by(count_locked, count_locked);
    count_by(count_locked, count_tried);
    count_by(count_tried, count_tried);
}

static void a_lock_that_is_taken_is_not_taken_by_a_try(void **state)
{
    (void)state;
    spin_lock(&lock);
    assert_false(spin_trylock(&lock));
    spin_unlock(&lock);
    assert_true(spin_trylock(&lock));
    assert_false(spin_trylock(&lock));
    spin_unlock(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_holder_sees_what_the_last_one_wrote),
        cmocka_unit_test(a_lock_that_is_taken_is_not_taken_by_a_try),
    };

    return cmocka_run_group_tests_name("spinlock", tests, NULL, NULL);
}
