/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU and memory: lists of pages, the bound on how many wait, and an allocator that waits for them. */
#include "lib/page_alloc.h"
#include "lib/rcu_pages.h"
#include "lib/units.h"
#include "tests/host/rcu_fixture.h"

static struct rcu_pages_stats pages_now(void)
{
    struct rcu_pages_stats stats;

    rcu_pages_stats(&stats);
    return stats;
}

static uint64_t free_pages(void)
{
    struct page_alloc_stats stats;

    page_alloc_stats(&stats);
    return stats.free_pages;
}

/* Frees count pages, which are allocated first unless there are none. Returns how many that were. */
static unsigned free_some(unsigned count)
{
    struct list pages;
    unsigned taken = 0;

    list_init(&pages);
    for (; taken < count; taken++) {
        void *page = pages_alloc(0, PAGE_HYPERVISOR);

        if (!page)
            break;
        list_append(&pages, &page_of(page)->link);
    }
    rcu_free_pages(&pages);
    return taken;
}

static void a_list_of_pages_is_one_callback(void **state)
{
    struct rcu_pages_stats before, after;
    struct rcu_stats calls_before, calls_after;
    struct page_alloc_stats pages_before, pages_after;
    struct list pages;

    (void)state;
    page_alloc_stats(&pages_before);
    rcu_pages_stats(&before);
    rcu_stats(&calls_before);
    list_init(&pages);
    for (unsigned i = 0; i < 5; i++)
        list_append(&pages, &page_of(pages_alloc(0, PAGE_HYPERVISOR))->link);
    rcu_free_pages(&pages);
    assert_true(list_empty(&pages));
    rcu_free_pages(&pages);
    rcu_pages_stats(&after);
    rcu_stats(&calls_after);
    assert_int_equal(calls_after.callbacks - calls_before.callbacks, 1);
    assert_int_equal(after.queued - before.queued, 5);
    assert_int_equal(after.freed, before.freed);
    page_alloc_stats(&pages_after);
    assert_int_equal(pages_before.free_pages - pages_after.free_pages, 5);
    host_set_relax(others_pass);
    rcu_barrier();
    host_set_relax(NULL);
    rcu_pages_stats(&after);
    assert_int_equal(after.freed - before.freed, 5);
    page_alloc_stats(&pages_after);
    assert_int_equal(pages_before.free_pages, pages_after.free_pages);
}

static unsigned relaxed;

static void others_pass_and_count(void)
{
    relaxed++;
    others_pass();
}

/* The others are in long events: they report only when they are asked to. */
static void others_reach_safe_points(void)
{
    assert_true(++relaxed < 100000);
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        host_set_cpu(cpu);
        rcu_safe_point();
    }
    host_set_cpu(0);
}

static int backlog_of_16(void **state)
{
    rcu_set_backlog_pages(16);
    relaxed = 0;
    host_set_relax(others_pass_and_count);
    return all_online(state);
}

static int backlog_restored(void **state)
{
    rcu_set_backlog_pages(4096);
    page_alloc_set_reclaim(NULL);
    host_release_pages();
    return all_offline(state);
}

static void a_backlog_within_its_bound_waits_for_nobody(void **state)
{
    struct rcu_pages_stats before = pages_now();

    (void)state;
    free_some(16);
    assert_int_equal(relaxed, 0);
    assert_int_equal(pages_now().queued - before.queued, 16);
    assert_int_equal(pages_now().freed, before.freed);
}

static void a_backlog_beyond_its_bound_is_waited_for(void **state)
{
    struct rcu_stats before, after;

    (void)state;
    rcu_stats(&before);
    free_some(16);
    free_some(1);
    rcu_stats(&after);
    assert_true(relaxed > 0);
    assert_true(pages_now().queued - pages_now().freed <= 16);
    assert_true(after.nudges > before.nudges); /* who is waited for is asked to hurry */
}

/* With callbacks before them that wait already, the pages need a second grace period: asking once is not
 * enough. */
static void cpus_in_long_events_are_asked_until_there_is_room(void **state)
{
    static struct counted callback;

    (void)state;
    host_set_relax(others_reach_safe_points);
    call_rcu(&callback.head, count_run);
    rcu_quiescent();
    free_some(16);
    free_some(1);
    assert_true(relaxed > 0);
    assert_true(pages_now().queued - pages_now().freed <= 16);
}

static void no_backlog_is_ever_longer_than_its_bound_and_a_list(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        free_some(1 + i % 5);
        assert_true(pages_now().queued - pages_now().freed <= 16);
    }
}

static struct rcu_pages_stats seen_inside;

static void free_many_inside(struct rcu_head *head)
{
    (void)head;
    relaxed = 0;
    free_some(100);
    seen_inside = pages_now();
}

static void a_callback_does_not_wait_for_room(void **state)
{
    struct rcu_head head;

    (void)state;
    call_rcu(&head, free_many_inside);
    all_pass();
    all_pass();
    assert_int_equal(relaxed, 0);
    assert_true(seen_inside.queued - seen_inside.freed >= 100);
    rcu_barrier();
    rcu_barrier();
    assert_int_equal(pages_now().queued, pages_now().freed);
}

static void an_allocation_waits_for_pages_on_their_way(void **state)
{
    void *page;

    (void)state;
    page_alloc_set_reclaim(rcu_pages_reclaim);
    host_leave_pages(4);
    assert_int_equal(free_some(4), 4);
    assert_int_equal(free_pages(), 0);
    relaxed = 0;
    page = pages_alloc(0, PAGE_HYPERVISOR);
    assert_non_null(page);
    assert_true(relaxed > 0);
    assert_int_equal(free_pages(), 3);
    pages_free(page);
}

static void an_allocation_fails_at_once_when_nothing_is_on_its_way(void **state)
{
    (void)state;
    page_alloc_set_reclaim(rcu_pages_reclaim);
    rcu_barrier();
    host_leave_pages(0);
    relaxed = 0;
    assert_null(pages_alloc(0, PAGE_HYPERVISOR));
    assert_int_equal(relaxed, 0);
}

static void an_allocation_gives_up_on_a_cpu_that_does_not_come(void **state)
{
    uint64_t start;

    (void)state;
    page_alloc_set_reclaim(rcu_pages_reclaim);
    host_leave_pages(4);
    free_some(4);
    host_set_relax(NULL);
    host_set_time_ns(5 * NS_PER_S);
    start = platform_time_ns();
    assert_null(pages_alloc(0, PAGE_HYPERVISOR));
    assert_true(platform_time_ns() - start >= NS_PER_S);
    assert_true(platform_time_ns() - start < 3 * NS_PER_S);
    host_set_time_ns(0);
    host_set_relax(others_pass);
    rcu_barrier();
    assert_int_equal(free_pages(), 4);
}

static void without_the_hook_an_allocation_fails(void **state)
{
    (void)state;
    host_leave_pages(4);
    free_some(4);
    assert_null(pages_alloc(0, PAGE_HYPERVISOR));
    rcu_barrier();
    assert_int_equal(free_pages(), 4);
}

static void *got_inside;

static void allocate_inside(struct rcu_head *head)
{
    (void)head;
    relaxed = 0;
    got_inside = pages_alloc(0, PAGE_HYPERVISOR);
}

static void a_callback_does_not_wait_for_memory(void **state)
{
    struct rcu_head head;

    (void)state;
    page_alloc_set_reclaim(rcu_pages_reclaim);
    host_leave_pages(2);
    call_rcu(&head, allocate_inside);
    rcu_quiescent(); /* its grace period begins */
    free_some(2);    /* these wait for the next one */
    others_pass();
    rcu_quiescent();
    assert_null(got_inside);
    assert_int_equal(relaxed, 0);
    rcu_barrier();
    assert_int_equal(free_pages(), 2);
}

static void an_interrupt_handler_does_not_wait_for_memory(void **state)
{
    (void)state;
    page_alloc_set_reclaim(rcu_pages_reclaim);
    host_leave_pages(2);
    free_some(2);
    relaxed = 0;
    host_set_in_interrupt(true);
    assert_null(pages_alloc(0, PAGE_HYPERVISOR));
    host_set_in_interrupt(false);
    assert_int_equal(relaxed, 0);
}

#define TEST_CASE(name)    cmocka_unit_test_setup_teardown(name, all_online, all_offline)
#define BACKLOG_CASE(name) cmocka_unit_test_setup_teardown(name, backlog_of_16, backlog_restored)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(a_list_of_pages_is_one_callback),
        BACKLOG_CASE(a_backlog_within_its_bound_waits_for_nobody),
        BACKLOG_CASE(a_backlog_beyond_its_bound_is_waited_for),
        BACKLOG_CASE(cpus_in_long_events_are_asked_until_there_is_room),
        BACKLOG_CASE(no_backlog_is_ever_longer_than_its_bound_and_a_list),
        BACKLOG_CASE(a_callback_does_not_wait_for_room),
        BACKLOG_CASE(an_allocation_waits_for_pages_on_their_way),
        BACKLOG_CASE(an_allocation_fails_at_once_when_nothing_is_on_its_way),
        BACKLOG_CASE(an_allocation_gives_up_on_a_cpu_that_does_not_come),
        BACKLOG_CASE(without_the_hook_an_allocation_fails),
        BACKLOG_CASE(a_callback_does_not_wait_for_memory),
        BACKLOG_CASE(an_interrupt_handler_does_not_wait_for_memory),
    };

    host_memory_init(64 * MIB);
    return cmocka_run_group_tests_name("rcu_pages", tests, NULL, NULL);
}
