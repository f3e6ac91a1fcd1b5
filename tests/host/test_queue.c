/* SPDX-License-Identifier: BSD-2-Clause */
/* The invalidation queue against a fake unit: batches, a full ring, errors, deadlines, several CPUs. */
#include "iommu/vtd/queue.h"
#include "lib/error.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <pthread.h>
#include <string.h>

static struct fake_vtd fake;
static struct vtd_queue queue;

static const struct vtd_descriptor batch[] = {
    {{VTD_DESCRIPTOR_PASID_IOTLB | VTD_DESCRIPTOR_G(2) | VTD_DESCRIPTOR_DID(5)}},
    {{VTD_DESCRIPTOR_CONTEXT | VTD_DESCRIPTOR_G(1)}},
};

static int setup(void **state)
{
    const struct vtd_registers registers = {(volatile uint8_t *)(uintptr_t)FAKE_BASE};

    (void)state;
    fake_vtd_install(&fake, 1);
    assert_int_equal(vtd_queue_init(&queue, registers, 0, true), 0);
    fake.iqa = vtd_queue_iqa(&queue);
    fake.gsts = VTD_GSTS_QIES;
    host_set_relax(fake_vtd_step);
    host_set_time_ns(0);
    host_log_clear();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vtd_queue_destroy(&queue);
    host_set_relax(NULL);
    host_set_time_ns(0);
    return fake.broken_rules != 0;
}

static void assert_all_collected(void)
{
    assert_int_equal(vtd_queue_run(&queue, batch, 1), 0);
    assert_int_equal(queue.head, queue.tail);
}

static void a_batch_ends_with_its_own_wait(void **state)
{
    (void)state;
    assert_int_equal(vtd_queue_run(&queue, batch, 2), 0);
    assert_int_equal(fake.logged, 3);
    assert_memory_equal(fake.log, batch, sizeof batch);
    assert_int_equal(VTD_DESCRIPTOR_TYPE(fake.log[2]), VTD_DESCRIPTOR_WAIT);
    /* SW alone: no interrupt, no other flag. */
    assert_int_equal(fake.log[2].word[0] & 0xfffffff0u, 1 << 5);
    assert_true(phys_to_virt(fake.log[2].word[1]) >= (void *)queue.status);
    assert_true(phys_to_virt(fake.log[2].word[1]) < (void *)(queue.status + VTD_QUEUE_SLOTS));
    assert_int_equal(vtd_queue_run(&queue, batch, 0), ERR_INVALID);
    assert_int_equal(vtd_queue_run(&queue, batch, VTD_BATCH_MAX + 1), ERR_INVALID);
}

static void the_ring_goes_round(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(vtd_queue_run(&queue, batch, 2), 0);
    assert_int_equal(fake.logged, 3000);
    assert_all_collected();
}

static void a_full_ring_is_waited_for(void **state)
{
    struct vtd_ticket tickets[200];

    (void)state;
    fake.queue_lazy = true;
    /* 85 batches of 3 fill 255 slots; the submitter of the next steps the unit while it waits, but nobody
     * collects. */
    for (unsigned i = 0; i < 85; i++)
        assert_int_equal(vtd_queue_submit(&queue, batch, 2, &tickets[i]), 0);
    assert_int_equal(fake.logged, 0);
    host_set_time_ns(1);
    assert_int_equal(vtd_queue_submit(&queue, batch, 2, &tickets[85]), ERR_TIMEOUT);
    assert_non_null(strstr(host_log(), "queue is full"));
    for (unsigned i = 0; i < 85; i++)
        assert_int_equal(vtd_queue_wait(&queue, batch, 2, tickets[i]), 0);
    assert_all_collected();
}

static void waits_may_be_collected_in_any_order(void **state)
{
    struct vtd_ticket first, second;

    (void)state;
    assert_int_equal(vtd_queue_submit(&queue, batch, 2, &first), 0);
    assert_int_equal(vtd_queue_submit(&queue, batch, 1, &second), 0);
    assert_int_equal(vtd_queue_wait(&queue, batch, 1, second), 0);
    assert_int_equal(queue.head, 0);
    assert_int_equal(vtd_queue_wait(&queue, batch, 2, first), 0);
    assert_int_equal(queue.head, queue.tail);
}

static void a_dead_unit_is_a_timeout(void **state)
{
    (void)state;
    fake.queue_dead = true;
    host_set_time_ns(1);
    assert_int_equal(vtd_queue_run(&queue, batch, 2), ERR_TIMEOUT);
    assert_non_null(strstr(host_log(), "stands still"));
    /* It wakes up: the status that nobody waits for any more goes to the queue's own page, and the slots come
     * back. */
    fake.queue_dead = false;
    assert_all_collected();
}

static void a_refused_descriptor_costs_only_its_own_batch(void **state)
{
    struct vtd_ticket before, bad, after;

    (void)state;
    fake.queue_lazy = true;
    fake.refuse_type = VTD_DESCRIPTOR_CONTEXT;
    assert_int_equal(vtd_queue_submit(&queue, batch, 1, &before), 0);
    assert_int_equal(vtd_queue_submit(&queue, batch, 2, &bad), 0);
    assert_int_equal(vtd_queue_submit(&queue, batch, 1, &after), 0);
    /* Whoever comes last finds the error and gets everybody on. */
    assert_int_equal(vtd_queue_wait(&queue, batch, 1, after), 0);
    assert_int_equal(vtd_queue_wait(&queue, batch, 2, bad), ERR_HARDWARE);
    assert_int_equal(vtd_queue_wait(&queue, batch, 1, before), 0);
    assert_int_equal(queue.stats.iqe, 1);
    assert_non_null(strstr(host_log(), "refused (IQEI 3)"));
    assert_int_equal(fake.fsts & VTD_FSTS_IQE, 0);
    assert_all_collected();
}

static void a_refused_wait_ends_its_batch_too(void **state)
{
    (void)state;
    fake.refuse_type = VTD_DESCRIPTOR_WAIT;
    assert_int_equal(vtd_queue_run(&queue, batch, 2), ERR_HARDWARE);
    assert_all_collected();
}

/* The unit fetches three batches, holds their waits, and then a device does not answer: all three waits are
 * dropped. */
static void dropped_waits_are_submitted_again(void **state)
{
    struct vtd_ticket tickets[3];

    (void)state;
    fake.waits_held = true;
    fake.time_out_in = 8;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(vtd_queue_submit(&queue, batch, 2, &tickets[i]), 0);
    assert_int_equal(fake.logged, 9);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(vtd_queue_wait(&queue, batch, 2, tickets[i]), 0);
    assert_int_equal(fake_vtd_count(&fake, VTD_DESCRIPTOR_PASID_IOTLB), 6);
    assert_int_equal(fake_vtd_count(&fake, VTD_DESCRIPTOR_CONTEXT), 6);
    assert_non_null(strstr(host_log(), "device 0018 does not answer"));
    assert_all_collected();
}

/* The head stands inside the second batch: its wait is fetched later and completes, but what was before it
 * may be lost. */
static void a_batch_that_was_cut_is_submitted_again_as_a_whole(void **state)
{
    struct vtd_ticket first, second;

    (void)state;
    fake.time_out_in = 3;
    assert_int_equal(vtd_queue_submit(&queue, batch, 2, &first), 0);
    assert_int_equal(vtd_queue_submit(&queue, batch, 2, &second), 0);
    assert_int_equal(fake.logged, 4);
    assert_int_equal(vtd_queue_wait(&queue, batch, 2, second), 0);
    assert_int_equal(vtd_queue_wait(&queue, batch, 2, first), 0);
    /* First batch once, second one twice. */
    assert_int_equal(fake_vtd_count(&fake, VTD_DESCRIPTOR_PASID_IOTLB), 3);
    assert_all_collected();
}

static void a_device_that_never_answers_ends_in_a_timeout(void **state)
{
    struct vtd_ticket ticket;

    (void)state;
    host_set_time_ns(1);
    fake.waits_held = true;
    assert_int_equal(vtd_queue_submit(&queue, batch, 2, &ticket), 0);
    assert_int_equal(vtd_queue_wait(&queue, batch, 2, ticket), ERR_TIMEOUT);
    fake_vtd_release(&fake);
    assert_all_collected();
}

static void an_unexpected_answer_is_only_logged(void **state)
{
    struct vtd_ticket ticket;

    (void)state;
    fake.queue_lazy = true;
    assert_int_equal(vtd_queue_submit(&queue, batch, 1, &ticket), 0);
    fake.fsts = VTD_FSTS_ICE;
    assert_int_equal(vtd_queue_wait(&queue, batch, 1, ticket), 0);
    assert_int_equal(fake.fsts, 0);
    assert_non_null(strstr(host_log(), "nobody asked for"));
}

#define THREADS 4
#define ROUNDS  2000

static void *submitter(void *argument)
{
    unsigned cpu = (unsigned)(uintptr_t)argument;
    uintptr_t failures = 0;

    host_set_cpu(cpu);
    for (unsigned i = 0; i < ROUNDS; i++)
        failures += vtd_queue_run(&queue, batch, 1 + i % 2) != 0;
    return (void *)failures;
}

static void cpus_share_the_queue(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    fake.queue_lazy = true;
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submitter, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *failures;

        assert_int_equal(pthread_join(threads[i], &failures), 0);
        assert_null(failures);
    }
    assert_int_equal(fake.logged, THREADS * ROUNDS / 2 * 5);
    assert_all_collected();
}

int main(void)
{
#define QUEUE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    static const struct CMUnitTest tests[] = {
        QUEUE_TEST(a_batch_ends_with_its_own_wait),
        QUEUE_TEST(the_ring_goes_round),
        QUEUE_TEST(a_full_ring_is_waited_for),
        QUEUE_TEST(waits_may_be_collected_in_any_order),
        QUEUE_TEST(a_dead_unit_is_a_timeout),
        QUEUE_TEST(a_refused_descriptor_costs_only_its_own_batch),
        QUEUE_TEST(a_refused_wait_ends_its_batch_too),
        QUEUE_TEST(dropped_waits_are_submitted_again),
        QUEUE_TEST(a_batch_that_was_cut_is_submitted_again_as_a_whole),
        QUEUE_TEST(a_device_that_never_answers_ends_in_a_timeout),
        QUEUE_TEST(an_unexpected_answer_is_only_logged),
        QUEUE_TEST(cpus_share_the_queue),
    };

    host_memory_init(16 * MIB);
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
