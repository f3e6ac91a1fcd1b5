/* SPDX-License-Identifier: BSD-2-Clause */
/* Grace periods.
 *
 * They have numbers. Number g starts when `newest` becomes g, and is over when every CPU has reported a
 * quiescent state after that: when each CPU's `seen` is 0 (it reads nothing) or at least g. A CPU reports by
 * copying `newest` into its `seen`, so one report serves every grace period that has started; a later one may
 * be over before anybody asked about an earlier one.
 *
 *   updater: unlink;  A;  read newest = g;  newest = g + 1;  B;  read seen of each CPU;  C;  free
 *   reader:  use pointers;  D;  seen = newest;  next read section
 *   idle:    seen = 0 (D);  ...;  seen = newest;  E;  first read section
 *
 *   A  full: the unlink before the start of g + 1. A reader that reports g + 1 has read `newest` after
 *      that start, and x86 keeps its later loads behind that load: they find the pointer unlinked. So a CPU
 *      that stays online needs no fence after its report. Who loses the race for `newest` has only this
 *      fence between its unlink and the start.
 *   B  full: the unlink before the loads of seen. On x86 the compare-and-swap of `newest` is this fence,
 *      won or lost, and A would do for it too; one of the two must be there. With its partner
 *   E  full: seen = newest before the first load of a pointer. Either the updater sees the CPU online and
 *      waits for it, or the CPU's first load finds the pointer unlinked; without E, or without A and B,
 *      both may miss (store buffering).
 *   D  release: the accesses of the read section before the change of seen. No instruction on x86. With its
 *      partner
 *   C  acquire: what is freed is touched only after seen was read.
 *
 * tests/spin has the models, docs/rcu.md the table of which model or test fails without which. */
#include "lib/mutant.h"
#include "lib/rcu_cpu.h"

static uint64_t newest CACHE_ALIGNED = 1;
static uint64_t over CACHE_ALIGNED; /* the newest grace period that somebody found over */
static unsigned cpu_end;
struct rcu_cpu rcu_cpus[PLATFORM_CPUS_MAX] = {[0 ... PLATFORM_CPUS_MAX - 1] = {.inbox = RCU_INBOX_CLOSED}};

unsigned rcu_cpu_end(void)
{
    return atomic_read(&cpu_end);
}

static void report(struct rcu_cpu *cpu)
{
    uint64_t now = atomic_read_acquire(&newest);

    if (cpu->seen == now)
        return;
    atomic_write_release(&cpu->seen, now); /* fence D */
    rcu_count(&cpu->stats.reports, 1);
}

/* Not inlined and without an argument, so that rcu_quiescent() prepares nothing for it. */
static NOINLINE void settle(void)
{
    struct rcu_cpu *cpu = rcu_this_cpu();

    report(cpu);
    if (rcu_cpu_has_callbacks(cpu))
        rcu_callbacks_advance(cpu);
    cpu->settled = rcu_cpu_has_callbacks(cpu) ? 0 : cpu->seen;
}

/* One compare where nobody waits. The inbox needs no look then: who pushes into it starts a grace period
 * after that, so `newest` has moved, and settle(), which reads it first, finds what was pushed. */
void rcu_quiescent(void)
{
    const struct rcu_cpu *cpu = rcu_this_cpu();

    rcu_assert_may_report(cpu, "a quiescent state");
    if (UNLIKELY(atomic_read_acquire(&newest) != cpu->settled))
        settle();
}

void rcu_safe_point(void)
{
    struct rcu_cpu *cpu = rcu_this_cpu();

    if (!atomic_read(&cpu->hurry))
        return;
    /* Locked: a plain store could come after a later request, and the load of newest in rcu_quiescent()
     * before that request's grace period. */
    (void)atomic_exchange(&cpu->hurry, 0u);
    rcu_quiescent();
}

uint64_t rcu_start(void)
{
    uint64_t before, expected;

    atomic_fence_full(); /* fence A */
    before = expected = atomic_read(&newest);
    /* Who loses the race needs no other try: the winner started before + 1 after `before` was read. Won or
     * lost, a locked instruction is fence B. */
    (void)atomic_compare_exchange(&newest, &expected, before + 1);
    return before + 1;
}

uint64_t rcu_get_state(void)
{
    return rcu_start();
}

static bool waits_for(unsigned cpu, uint64_t grace_period)
{
    uint64_t seen = atomic_read_acquire(&rcu_cpus[cpu].seen); /* fence C */

    return seen && seen < grace_period;
}

/* What was over stays so: a CPU that comes back from extended quiescence may store an older number than was
 * newest by then, which delays who asks later, and must not take back what was said. */
static bool note_over(uint64_t state)
{
    uint64_t before = atomic_read(&over);

    while (before < state && !atomic_compare_exchange(&over, &before, state))
        ;
    return true;
}

bool rcu_poll(uint64_t state)
{
    unsigned end = rcu_cpu_end();

    if (state <= atomic_read_acquire(&over))
        return true;
    for (unsigned i = 0; i < end; i++)
        if (waits_for(i, state))
            return false;
    return note_over(state);
}

static void nudge(struct rcu_cpu *cpu)
{
    if (cpu == rcu_this_cpu() || atomic_read(&cpu->hurry))
        return;
    atomic_write(&cpu->hurry, 1u);
    rcu_count(&rcu_this_cpu()->stats.nudges, 1);
}

void rcu_expedite(uint64_t state)
{
    unsigned end = rcu_cpu_end();

    for (unsigned i = 0; i < end; i++)
        if (waits_for(i, state))
            nudge(&rcu_cpus[i]);
}

void rcu_expedite_all(void)
{
    unsigned end = rcu_cpu_end();

    for (unsigned i = 0; i < end; i++)
        if (atomic_read(&rcu_cpus[i].seen))
            nudge(&rcu_cpus[i]);
}

static void wait_for(uint64_t state)
{
    uint64_t since_ns = 0;

    rcu_quiescent();
    while (!rcu_poll(state)) {
        if (!since_ns)
            since_ns = platform_time_ns();
        rcu_check_stall(state, since_ns);
        platform_relax();
        rcu_quiescent();
    }
}

void synchronize_rcu(void)
{
    wait_for(rcu_get_state());
}

void synchronize_rcu_expedited(void)
{
    uint64_t state = rcu_get_state();

    rcu_expedite(state);
    wait_for(state);
}

void rcu_cpu_online(void)
{
    unsigned end = atomic_read(&cpu_end);

    rcu_callbacks_init(rcu_this_cpu());
    /* Raised before seen is set (fence E), and read by updaters after fence B: who may read pointers is below
     * it. */
    while (end <= platform_cpu_id() && !atomic_compare_exchange(&cpu_end, &end, platform_cpu_id() + 1))
        ;
    rcu_extended_exit();
}

void rcu_cpu_offline(void)
{
    while (!rcu_extended_enter())
        rcu_hand_over();
}

bool rcu_extended_enter(void)
{
    struct rcu_cpu *cpu = rcu_this_cpu();
    struct rcu_head *empty = NULL;

    rcu_assert_may_report(cpu, "extended quiescence");
    if (cpu->waiting.first || cpu->next.first)
        return false;
    /* From here on nobody hands callbacks over to this CPU. */
    if (!atomic_compare_exchange(&cpu->inbox, &empty, RCU_INBOX_CLOSED))
        return false;
    atomic_write_release(&cpu->seen, 0); /* fence D */
    return true;
}

void rcu_extended_exit(void)
{
    struct rcu_cpu *cpu = rcu_this_cpu();

    atomic_write_release(&cpu->seen, atomic_read(&newest));
    if (!mutant(NO_FENCE_AFTER_IDLE))
        atomic_fence_full(); /* fence E */
    atomic_write(&cpu->inbox, NULL);
}

void rcu_stats(struct rcu_stats *stats)
{
    unsigned end = rcu_cpu_end();

    *stats = (struct rcu_stats){.grace_periods = atomic_read(&newest) - 1};
    for (unsigned i = 0; i < end; i++) {
        const struct rcu_stats *one = &rcu_cpus[i].stats;

        stats->reports += atomic_read(&one->reports);
        stats->callbacks += atomic_read(&one->callbacks);
        stats->callbacks_done += atomic_read(&one->callbacks_done);
        stats->handed_over += atomic_read(&one->handed_over);
        stats->nudges += atomic_read(&one->nudges);
        stats->stalls += atomic_read(&one->stalls);
    }
}
