/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU: what the debug build must not let pass ends the run, and says why. */
#include "lib/units.h"
#include "tests/host/rcu_fixture.h"
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum place { ANYWHERE, IN_SECTION, IN_INTERRUPT };

static void go_to(enum place place)
{
    if (place == IN_SECTION)
        rcu_read_lock();
    host_set_in_interrupt(place == IN_INTERRUPT);
}

/* True if misuse in that place, in a process of its own, ends by a panic whose message has these words. */
static bool dies(enum place place, void (*misuse)(void), const char *words)
{
    char text[512] = "";
    int status, ends[2];
    size_t bytes = 0;
    ssize_t more;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        go_to(place);
        misuse();
        _exit(0);
    }
    close(ends[1]);
    while ((more = read(ends[0], text + bytes, sizeof(text) - 1 - bytes)) > 0)
        bytes += (size_t)more;
    close(ends[0]);
    waitpid(child, &status, 0);
    return strstr(text, words) && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void synchronize(void)
{
    host_set_relax(others_pass);
    synchronize_rcu();
}

static void expedited(void)
{
    host_set_relax(others_pass);
    synchronize_rcu_expedited();
}

static void extended(void)
{
    if (rcu_extended_enter())
        rcu_extended_exit();
}

static void barrier(void)
{
    host_set_relax(others_pass);
    rcu_barrier();
}

static void section(void)
{
    rcu_read_lock();
    rcu_read_unlock();
}

static void hurried_safe_point(void)
{
    host_set_cpu(1);
    rcu_expedite(rcu_get_state());
    host_set_cpu(0);
    rcu_safe_point();
}

static void section_while_extended(void)
{
    if (rcu_extended_enter())
        section();
}

static void section_while_offline(void)
{
    rcu_cpu_offline();
    section();
}

static void quiescent_while_offline(void)
{
    rcu_cpu_offline();
    rcu_quiescent();
}

static void nothing(struct rcu_head *head)
{
    (void)head;
}

static void call(void)
{
    static struct rcu_head head;

    call_rcu(&head, nothing);
}

static void call_while_offline(void)
{
    rcu_cpu_offline();
    call();
}

static void wait_in_callback(struct rcu_head *head)
{
    (void)head;
    synchronize_rcu();
}

static void synchronize_in_callback(void)
{
    static struct rcu_head head;

    call_rcu(&head, wait_in_callback);
    host_set_relax(others_pass);
    rcu_barrier();
}

static void section_ended_twice(void)
{
    section();
    rcu_read_unlock();
}

static void what_is_allowed(void)
{
    rcu_read_lock();
    section();
    rcu_read_unlock();
    rcu_quiescent();
    synchronize();
    barrier();
    extended();
    hurried_safe_point();
}

static void misuse_ends_the_run(void **state)
{
    static const struct {
        enum place place;
        void (*misuse)(void);
        const char *words;
    } cases[] = {
        {IN_SECTION, rcu_quiescent, "a quiescent state inside a read section on cpu 0"},
        {IN_SECTION, synchronize, "inside a read section on cpu 0"},
        {IN_SECTION, expedited, "inside a read section on cpu 0"},
        {IN_SECTION, barrier, "inside a read section on cpu 0"},
        {IN_SECTION, extended, "extended quiescence inside a read section on cpu 0"},
        {IN_SECTION, hurried_safe_point, "inside a read section on cpu 0"},
        {IN_INTERRUPT, rcu_quiescent, "a quiescent state in an interrupt handler on cpu 0"},
        {IN_INTERRUPT, synchronize, "in an interrupt handler on cpu 0"},
        {IN_INTERRUPT, expedited, "in an interrupt handler on cpu 0"},
        {IN_INTERRUPT, barrier, "in an interrupt handler on cpu"},
        {IN_INTERRUPT, extended, "extended quiescence in an interrupt handler on cpu 0"},
        {IN_INTERRUPT, hurried_safe_point, "in an interrupt handler on cpu 0"},
        {IN_INTERRUPT, section, "read section in an interrupt handler on cpu 0"},
        {ANYWHERE, section_while_extended, "read section on cpu 0, which is offline or in extended"},
        {ANYWHERE, section_while_offline, "read section on cpu 0, which is offline or in extended"},
        {ANYWHERE, quiescent_while_offline, "a quiescent state on cpu 0, which is offline or in extended"},
        {ANYWHERE, call_while_offline, "a callback queued on cpu 0, which is offline or in extended"},
        {IN_INTERRUPT, call, "a callback queued in an interrupt handler on cpu 0"},
        {ANYWHERE, synchronize_in_callback, "inside a callback on cpu"},
        {ANYWHERE, section_ended_twice, "read section ended on cpu 0, none was open"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        if (!dies(cases[i].place, cases[i].misuse, cases[i].words))
            fail_msg("case %u does not end the run with \"%s\"", i, cases[i].words);
}

static void what_is_allowed_does_not(void **state)
{
    (void)state;
    assert_false(dies(ANYWHERE, what_is_allowed, "panic"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(misuse_ends_the_run, all_online, all_offline),
        cmocka_unit_test_setup_teardown(what_is_allowed_does_not, all_online, all_offline),
    };

    host_memory_init(64 * MIB);
    return cmocka_run_group_tests_name("rcu_misuse", tests, NULL, NULL);
}
