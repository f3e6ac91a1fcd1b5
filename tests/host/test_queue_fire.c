/* SPDX-License-Identifier: BSD-2-Clause */
/* The invalidation queue under fire: many CPUs submit while the unit refuses descriptors, drops waits and
 * reports answers that nobody asked for; and while it does nothing at all. */
#include "iommu/vtd/queue.h"
#include "lib/error.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <pthread.h>
#include <string.h>

#define THREADS 8
#define ROUNDS  500
#define UNITS   2
#define STRIDE  0x10000ull

static struct fake_vtd fakes[UNITS];
static struct vtd_queue queues[UNITS];
static struct vtd_queue *const queue = &queues[0];
static struct fake_vtd *const fake = &fakes[0];

static const struct vtd_descriptor batch[] = {
    {{VTD_DESCRIPTOR_PASID_IOTLB | VTD_DESCRIPTOR_G(2) | VTD_DESCRIPTOR_DID(5)}},
    {{VTD_DESCRIPTOR_CONTEXT | VTD_DESCRIPTOR_G(1)}},
};

static int setup(void **state)
{
    (void)state;
    fake_vtd_install(fakes, UNITS);
    for (unsigned i = 0; i < UNITS; i++) {
        const struct vtd_registers registers = {(volatile uint8_t *)(uintptr_t)(FAKE_BASE + i * STRIDE)};

        assert_int_equal(vtd_queue_init(&queues[i], registers, i, true), 0);
        fakes[i].iqa = vtd_queue_iqa(&queues[i]);
        fakes[i].gsts = VTD_GSTS_QIES;
        fakes[i].queue_lazy = true;
    }
    host_set_relax(fake_vtd_step);
    host_set_time_ns(0);
    host_log_clear();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < UNITS; i++)
        vtd_queue_destroy(&queues[i]);
    host_set_relax(NULL);
    host_set_time_ns(0);
    return fakes[0].broken_rules + fakes[1].broken_rules != 0;
}

static unsigned lines_with(const char *text)
{
    unsigned count = 0;

    for (const char *at = host_log(); (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

static uint64_t sum(const uint64_t *values, unsigned count)
{
    uint64_t total = 0;

    while (count--)
        total += values[count];
    return total;
}

/* Nothing is under way. */
static struct iommu_queue_stats assert_adds_up(void)
{
    struct iommu_queue_stats stats;

    vtd_queue_stats(queue, &stats);
    assert_int_equal(stats.batches, stats.completed + stats.refused + stats.dropped + stats.timed_out);
    assert_int_equal(stats.batches, stats.invalidations[IOMMU_INVALIDATION_WAIT]);
    assert_int_equal(stats.completed, sum(stats.latency, IOMMU_LATENCIES));
    return stats;
}

static void start_threads(pthread_t threads[THREADS], void *(*main)(void *))
{
    for (uintptr_t i = 0; i < THREADS; i++) /* the test itself is CPU 0 */
        assert_int_equal(pthread_create(&threads[i], NULL, main, (void *)(i + 1)), 0);
}

static void join_threads(pthread_t threads[THREADS])
{
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* --- errors at random --- */

static uint32_t seed;
static unsigned injected_iqe, injected_ite, injected_ice;
static uint64_t carried_out[THREADS][ROUNDS]; /* descriptors of each batch (atomic) */
static unsigned results[4];                   /* by error; the last one for all others (atomic) */

static unsigned chance(unsigned one_in)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % one_in == 0;
}

/* What the unit does next. An error that is still to come is not counted twice. */
static void misbehave(struct fake_vtd *unit)
{
    static const unsigned types[] = {VTD_DESCRIPTOR_PASID_IOTLB, VTD_DESCRIPTOR_CONTEXT, VTD_DESCRIPTOR_WAIT};

    if (!unit->refuse_type && chance(100)) {
        unit->refuse_type = types[seed % 3];
        injected_iqe++;
    }
    if (unit->time_out_in < 0 && chance(300)) {
        unit->time_out_in = (int)(seed % 4);
        injected_ite++;
    }
    if (!(unit->fsts & VTD_FSTS_ICE) && chance(200)) {
        unit->fsts |= VTD_FSTS_ICE;
        injected_ice++;
    }
    if (chance(8))
        unit->waits_held = true;
    if (chance(4))
        fake_vtd_release(unit);
}

static void note_done(const struct vtd_descriptor *descriptor)
{
    unsigned thread = descriptor->word[0] >> 16 & 0xffff;

    if (VTD_DESCRIPTOR_TYPE(*descriptor) != VTD_DESCRIPTOR_WAIT)
        atomic_fetch_add(&carried_out[thread][descriptor->word[1] >> 12], 1ull);
}

/* When a batch is said to be complete each of its descriptors was carried out; when it was refused each but
 * those. */
static void check_result(int error, unsigned thread, unsigned round, unsigned count)
{
    uint64_t done = atomic_read(&carried_out[thread][round]);

    atomic_fetch_add(&results[error == 0 ? 0 : error == ERR_HARDWARE ? 1 : error == ERR_TIMEOUT ? 2 : 3], 1u);
    if (error == 0 && done < count)
        atomic_fetch_add(&results[3], 1u);
}

static void *submit_under_fire(void *argument)
{
    unsigned cpu = (unsigned)(uintptr_t)argument, thread = cpu - 1;

    host_set_cpu(cpu);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = 1 + round % 3;
        struct vtd_descriptor own[3];

        for (unsigned i = 0; i < count; i++)
            own[i] = (struct vtd_descriptor){{(i == 1 ? VTD_DESCRIPTOR_CONTEXT : VTD_DESCRIPTOR_PASID_IOTLB) |
                                                  VTD_DESCRIPTOR_G(3) | VTD_DESCRIPTOR_DID(thread),
                                              (uint64_t)round << 12}};
        check_result(vtd_queue_run(queue, own, count), thread, round, count);
    }
    return NULL;
}

static void errors_at_random_lose_nobodys_wait(void **state)
{
    struct iommu_queue_stats stats;
    pthread_t threads[THREADS];

    (void)state;
    seed = 1;
    fake->on_step = misbehave;
    fake->on_done = note_done;
    start_threads(threads, submit_under_fire);
    join_threads(threads);
    /* What stands out between the last step and the end is nobody's. */
    fake->on_step = NULL;
    fake->refuse_type = 0;
    fake->time_out_in = -1;
    fake_vtd_release(fake);
    assert_int_equal(results[3], 0);
    assert_int_equal(results[0] + results[1] + results[2], THREADS * ROUNDS);
    assert_int_equal(lines_with("was dropped 5 times"), results[2]);
    assert_int_equal(vtd_queue_run(queue, batch, 1), 0);
    assert_int_equal(queue->head, queue->tail);
    stats = assert_adds_up();
    assert_int_equal(stats.completed, results[0] + 1);
    assert_int_equal(stats.refused, results[1]);
    assert_int_equal(stats.timed_out + stats.stalls + stats.turned_away, 0);
    /* Each kind of error occurred, and no more often than it was made. */
    assert_in_range(stats.iqe, 10, injected_iqe);
    assert_in_range(stats.ite, 10, injected_ite);
    assert_in_range(stats.ice, 10, injected_ice);
    assert_in_range(stats.dropped, 10, UINT64_MAX);
}

/* --- a unit that does nothing --- */

#define BATCHES 20

static void *submit_to_the_dead(void *argument)
{
    host_set_cpu((unsigned)(uintptr_t)argument);
    for (unsigned i = 0; i < BATCHES; i++)
        if (vtd_queue_run(queue, batch, 2) != ERR_TIMEOUT)
            atomic_fetch_add(&results[3], 1u);
    return NULL;
}

/* A second until it is found out, and after that nobody waits for it. The limit leaves time for a busy
 * machine; if each waited for himself it would be 20 seconds. */
static void assert_quick(uint64_t began_ns)
{
    assert_in_range(platform_time_ns() - began_ns, NS_PER_S, 4 * NS_PER_S);
}

static void a_dead_unit_costs_all_cpus_one_second(void **state)
{
    uint64_t began_ns = platform_time_ns();
    struct iommu_queue_stats stats;
    pthread_t threads[THREADS];

    (void)state;
    memset(results, 0, sizeof results);
    fake->queue_dead = true;
    start_threads(threads, submit_to_the_dead);
    join_threads(threads);
    assert_quick(began_ns);
    assert_int_equal(results[3], 0);
    assert_int_equal(lines_with("stands still"), 1);
    stats = assert_adds_up();
    assert_int_equal(stats.stalls, 1);
    assert_int_equal(stats.completed, 0);
    assert_int_equal(stats.timed_out + stats.turned_away, THREADS * BATCHES);
    assert_in_range(stats.timed_out, 1, THREADS);

    /* It wakes up; whoever comes next finds that out, at the latest when what was abandoned is fetched. */
    fake->queue_dead = false;
    fake_vtd_step();
    assert_int_equal(vtd_queue_run(queue, batch, 2), 0);
    assert_int_equal(queue->head, queue->tail);
    assert_int_equal(lines_with("moves again"), 1);
    assert_int_equal(assert_adds_up().completed, 1);
}

static void who_waits_for_room_is_sent_away_too(void **state)
{
    uint64_t began_ns = platform_time_ns();
    struct vtd_ticket tickets[VTD_QUEUE_SLOTS / 3];
    pthread_t threads[THREADS];

    (void)state;
    memset(results, 0, sizeof results);
    fake->queue_dead = true;
    for (unsigned i = 0; i < ARRAY_SIZE(tickets); i++)
        assert_int_equal(vtd_queue_submit(queue, batch, 2, &tickets[i]), 0);
    start_threads(threads, submit_to_the_dead);
    for (unsigned i = 0; i < ARRAY_SIZE(tickets); i++)
        assert_int_equal(vtd_queue_wait(queue, batch, 2, tickets[i]), ERR_TIMEOUT);
    join_threads(threads);
    assert_quick(began_ns);
    assert_int_equal(results[3], 0);
    assert_int_equal(lines_with("stands still"), 1);
    assert_int_equal(assert_adds_up().turned_away, THREADS * BATCHES);
    assert_int_equal(assert_adds_up().timed_out, ARRAY_SIZE(tickets));
    assert_in_range(assert_adds_up().full, 1, THREADS * BATCHES);
}

/* The rest with time played by hand. */

static void a_unit_that_is_gone_is_no_storm_of_errors(void **state)
{
    uint64_t began_ns;

    (void)state;
    host_set_time_ns(1);
    fake->gone = true;
    assert_int_equal(vtd_queue_run(queue, batch, 2), ERR_TIMEOUT);
    assert_int_equal(assert_adds_up().iqe + assert_adds_up().ite + assert_adds_up().ice, 0);
    assert_int_equal(lines_with("vtd0:"), 1);
    began_ns = platform_time_ns();
    assert_int_equal(vtd_queue_run(queue, batch, 2), ERR_TIMEOUT);
    assert_in_range(platform_time_ns() - began_ns, 0, NS_PER_MS);
}

/* Its batch was fetched, so it is a device that is waited for, and not the unit that stands still. */
static void a_device_that_does_not_answer_is_no_dead_unit(void **state)
{
    (void)state;
    host_set_time_ns(1);
    fake->waits_held = true;
    assert_int_equal(vtd_queue_run(queue, batch, 2), ERR_TIMEOUT);
    fake->waits_held = false;
    assert_int_equal(vtd_queue_run(queue, batch, 2), 0);
    assert_int_equal(lines_with("did not complete"), 1);
    assert_int_equal(assert_adds_up().stalls, 0);
}

/* One waits a second for room, and others not much, until a slot comes back. */
static void a_queue_that_stays_full_costs_one_second(void **state)
{
    struct vtd_ticket tickets[VTD_QUEUE_SLOTS / 3];
    uint64_t began_ns;

    (void)state;
    host_set_time_ns(1);
    fake->waits_held = true;
    for (unsigned i = 0; i < ARRAY_SIZE(tickets); i++)
        assert_int_equal(vtd_queue_submit(queue, batch, 2, &tickets[i]), 0);
    assert_int_equal(vtd_queue_run(queue, batch, 2), ERR_TIMEOUT);
    began_ns = platform_time_ns();
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(vtd_queue_run(queue, batch, 2), ERR_TIMEOUT);
    assert_in_range(platform_time_ns() - began_ns, 0, 5 * 11 * NS_PER_MS);
    assert_int_equal(lines_with("is full"), 1);
    fake->waits_held = false;
    fake_vtd_release(fake);
    for (unsigned i = 0; i < ARRAY_SIZE(tickets); i++)
        assert_int_equal(vtd_queue_wait(queue, batch, 2, tickets[i]), 0);
    assert_int_equal(vtd_queue_run(queue, batch, 2), 0);
    assert_false(queue->blocked);
    assert_int_equal(assert_adds_up().turned_away, 6);
}

/* As long as others are finished, even when the one that waits was never fetched. */
static void a_slow_unit_is_no_dead_one(void **state)
{
    struct vtd_ticket first, second;

    (void)state;
    host_set_time_ns(1);
    assert_int_equal(vtd_queue_submit(queue, batch, 2, &first), 0);
    assert_int_equal(vtd_queue_submit(queue, batch, 2, &second), 0);
    assert_int_equal(vtd_queue_wait(queue, batch, 2, first), 0);
    fake->queue_dead = true;
    assert_int_equal(vtd_queue_wait(queue, batch, 2, second), ERR_TIMEOUT);
    assert_int_equal(assert_adds_up().stalls, 0);
}

/* The caller waits for a dead unit first: until its turn comes nobody gets the second one over its error. */
static void a_unit_whose_turn_comes_late_still_has_its_chance(void **state)
{
    struct vtd_ticket dead, late;

    (void)state;
    host_set_time_ns(1);
    fakes[0].queue_dead = true;
    fakes[1].refuse_type = VTD_DESCRIPTOR_PASID_IOTLB;
    assert_int_equal(vtd_queue_submit(&queues[0], batch, 2, &dead), 0);
    assert_int_equal(vtd_queue_submit(&queues[1], batch, 2, &late), 0);
    assert_int_equal(vtd_queue_wait(&queues[0], batch, 2, dead), ERR_TIMEOUT);
    assert_int_equal(vtd_queue_wait(&queues[1], batch, 2, late), ERR_HARDWARE);
}

/* Not a second for each of them. */
static void units_that_are_all_dead_cost_one_second(void **state)
{
    struct vtd_ticket tickets[UNITS];
    uint64_t began_ns;

    (void)state;
    host_set_time_ns(1);
    began_ns = platform_time_ns();
    for (unsigned i = 0; i < UNITS; i++) {
        fakes[i].queue_dead = true;
        assert_int_equal(vtd_queue_submit(&queues[i], batch, 2, &tickets[i]), 0);
    }
    for (unsigned i = 0; i < UNITS; i++)
        assert_int_equal(vtd_queue_wait(&queues[i], batch, 2, tickets[i]), ERR_TIMEOUT);
    assert_in_range(platform_time_ns() - began_ns, NS_PER_S, NS_PER_S + 100 * NS_PER_MS);
    assert_true(queues[0].stalled && queues[1].stalled);
}

/* ITE comes with each wait. */
static void drop_each_wait(struct fake_vtd *unit)
{
    const struct vtd_descriptor *ring = phys_to_virt(unit->iqa & VTD_PAGE_ADDRESS);

    unit->waits_held = true;
    if (unit->iqh != unit->iqt && VTD_DESCRIPTOR_TYPE(ring[unit->iqh / sizeof *ring]) == VTD_DESCRIPTOR_WAIT)
        unit->time_out_in = 0;
}

static void a_batch_that_is_always_dropped_is_given_up(void **state)
{
    (void)state;
    host_set_time_ns(1);
    fake->on_step = drop_each_wait;
    fake->time_out_device = 0; /* of a device, and none has to answer for this batch */
    assert_int_equal(vtd_queue_run(queue, batch, 2), ERR_TIMEOUT);
    assert_int_equal(lines_with("was dropped 64 times"), 1);
    assert_int_equal(assert_adds_up().dropped, 64);
    assert_int_equal(queue->head, queue->tail);
}

static unsigned drops_left;

static void drop_some_waits(struct fake_vtd *unit)
{
    if (!drops_left)
        return;
    drop_each_wait(unit);
    drops_left -= unit->time_out_in == 0;
}

static void time_outs_of_another_device_are_no_reason_to_give_up(void **state)
{
    (void)state;
    host_set_time_ns(1);
    fake->on_step = drop_some_waits;
    drops_left = 20;
    assert_int_equal(vtd_queue_run(queue, batch, 2), 0);
    fake->time_out_device = 0; /* nor where the unit names nobody */
    drops_left = 20;
    assert_int_equal(vtd_queue_run(queue, batch, 2), 0);
    assert_int_equal(assert_adds_up().dropped, 40);
    assert_int_equal(queue->head, queue->tail);
}

static void a_device_has_two_chances_to_answer(void **state)
{
    const struct vtd_descriptor own = vtd_descriptor_device_tlb(
        (struct vtd_tlb_owner){.source_id = FAKE_DEVFN_NVME}, 0, VTD_DEVICE_TLB_ALL);

    (void)state;
    host_set_time_ns(1);
    fake->on_step = drop_some_waits;
    drops_left = 1;
    assert_int_equal(vtd_queue_run(queue, &own, 1), 0);
    drops_left = 2;
    assert_int_equal(vtd_queue_run(queue, &own, 1), ERR_TIMEOUT);
    assert_int_equal(assert_adds_up().dropped, 3);
}

static void a_device_that_may_be_it_has_five(void **state)
{
    const struct vtd_descriptor own = vtd_descriptor_device_tlb(
        (struct vtd_tlb_owner){.source_id = FAKE_DEVFN_NVME}, 0, VTD_DEVICE_TLB_ALL);

    (void)state;
    host_set_time_ns(1);
    fake->on_step = drop_some_waits;
    fake->time_out_device = 0;
    drops_left = 4;
    assert_int_equal(vtd_queue_run(queue, &own, 1), 0);
    drops_left = 5;
    assert_int_equal(vtd_queue_run(queue, &own, 1), ERR_TIMEOUT);
    assert_int_equal(assert_adds_up().dropped, 9);
}

int main(void)
{
#define QUEUE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    static const struct CMUnitTest tests[] = {
        QUEUE_TEST(errors_at_random_lose_nobodys_wait),
        QUEUE_TEST(a_dead_unit_costs_all_cpus_one_second),
        QUEUE_TEST(who_waits_for_room_is_sent_away_too),
        QUEUE_TEST(a_unit_that_is_gone_is_no_storm_of_errors),
        QUEUE_TEST(a_device_that_does_not_answer_is_no_dead_unit),
        QUEUE_TEST(a_queue_that_stays_full_costs_one_second),
        QUEUE_TEST(a_slow_unit_is_no_dead_one),
        QUEUE_TEST(a_unit_whose_turn_comes_late_still_has_its_chance),
        QUEUE_TEST(units_that_are_all_dead_cost_one_second),
        QUEUE_TEST(a_batch_that_is_always_dropped_is_given_up),
        QUEUE_TEST(time_outs_of_another_device_are_no_reason_to_give_up),
        QUEUE_TEST(a_device_has_two_chances_to_answer),
        QUEUE_TEST(a_device_that_may_be_it_has_five),
    };

    host_memory_init(16 * MIB);
    return cmocka_run_group_tests_name("queue under fire", tests, NULL, NULL);
}
