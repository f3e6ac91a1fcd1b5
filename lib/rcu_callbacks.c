/* SPDX-License-Identifier: BSD-2-Clause */
/* Callbacks: queued, numbered, run, handed over.
 *
 * Each CPU keeps two segments. `next` takes what call_rcu() queues; when `waiting` is empty, `next` becomes
 * `waiting` and draws the number of a grace period that starts then, after every unlink that came before.
 * Nothing that is queued later joins `waiting`, so nothing runs before its own grace period.
 *
 * A CPU that goes away for long pushes its callbacks into the inbox of one that stays, which takes them into
 * its own `next`: they wait for a whole grace period again. The push and the take are locked instructions, so
 * the unlinks behind the callbacks come before the start of that grace period on the other CPU. A CPU closes
 * its inbox by a compare-and-swap from empty before it stops reporting: so all callbacks that have not run
 * are with CPUs that report. */
#include "lib/mutant.h"
#include "lib/rcu_cpu.h"
#include "lib/spinlock.h"

/* So often somebody looks at the clock while a grace period is not over. */
#define POLLS_A_LOOK 1024

static void segment_init(struct rcu_segment *segment)
{
    segment->first = NULL;
    segment->end = &segment->first;
}

/* Appends a chain of callbacks that ends at last. */
static void segment_append(struct rcu_segment *segment, struct rcu_head *first, struct rcu_head *last)
{
    last->next = NULL;
    *segment->end = first;
    segment->end = &last->next;
}

/* Appends it to what this CPU itself has queued; its next quiescent state has something to do. */
static void queue(struct rcu_cpu *cpu, struct rcu_head *first, struct rcu_head *last)
{
    segment_append(&cpu->next, first, last);
    cpu->settled = 0;
}

void rcu_callbacks_init(struct rcu_cpu *cpu)
{
    segment_init(&cpu->waiting);
    segment_init(&cpu->next);
}

bool rcu_callbacks_pending(void)
{
    return rcu_cpu_has_callbacks(rcu_this_cpu());
}

void call_rcu(struct rcu_head *head, void (*run)(struct rcu_head *head))
{
    struct rcu_cpu *cpu = rcu_this_cpu();

    rcu_assert_may_queue(cpu);
    head->run = run;
    queue(cpu, head, head);
    rcu_count(&cpu->stats.callbacks, 1);
}

static void run_waiting(struct rcu_cpu *cpu)
{
    struct rcu_head *head = cpu->waiting.first;

    segment_init(&cpu->waiting);
    cpu->running = true;
    while (head) {
        struct rcu_head *following = head->next; /* run() may free head */

        head->run(head);
        rcu_count(&cpu->stats.callbacks_done, 1);
        head = following;
    }
    cpu->running = false;
}

/* Turns a chain round: *last is its last one then. */
static struct rcu_head *turn_round(struct rcu_head *head, struct rcu_head **last)
{
    struct rcu_head *first = NULL;

    *last = head;
    while (head) {
        struct rcu_head *following = head->next;

        head->next = first;
        first = head;
        head = following;
    }
    return first;
}

/* The inbox is a stack, newest first; turned round, what was pushed first runs first: a barrier must not
 * overtake what it is to wait for. */
static void take_inbox(struct rcu_cpu *cpu)
{
    struct rcu_head *first, *last;

    if (!atomic_read(&cpu->inbox))
        return;
    first = turn_round(atomic_exchange(&cpu->inbox, NULL), &last);
    queue(cpu, first, last);
}

static void check_patience(struct rcu_cpu *cpu)
{
    if (++cpu->polls % POLLS_A_LOOK)
        return;
    if (!cpu->waiting_since_ns)
        cpu->waiting_since_ns = platform_time_ns();
    rcu_check_stall(cpu->waiting_for, cpu->waiting_since_ns);
}

void rcu_callbacks_advance(struct rcu_cpu *cpu)
{
    take_inbox(cpu);
    if (cpu->waiting.first) {
        if (!mutant(CALLBACK_BEFORE_GRACE_PERIOD) && !rcu_poll(cpu->waiting_for)) {
            check_patience(cpu);
            return;
        }
        run_waiting(cpu);
    }
    if (cpu->next.first) {
        cpu->waiting = cpu->next;
        segment_init(&cpu->next);
        cpu->waiting_for = rcu_get_state();
        cpu->waiting_since_ns = 0;
        cpu->polls = 0;
    }
}

/* One hand-over or one barrier at a time, so that a barrier finds every callback with the CPU that it asks.
 */
static struct spinlock moving;

/* Pushes a chain, newest first, into the inbox of CPU i; false if that is closed. */
static bool push(unsigned i, struct rcu_head *first, struct rcu_head *last)
{
    struct rcu_head *top = atomic_read(&rcu_cpus[i].inbox);

    do {
        last->next = top == RCU_INBOX_CLOSED ? NULL : top;
        if (top == RCU_INBOX_CLOSED)
            return false;
    } while (!atomic_compare_exchange(&rcu_cpus[i].inbox, &top, first));
    return true;
}

/* Takes all callbacks of this CPU as one chain, the waiting ones first. */
static struct rcu_head *take_all(struct rcu_cpu *cpu, uint64_t *count)
{
    struct rcu_head *first;

    take_inbox(cpu);
    *cpu->waiting.end = cpu->next.first;
    first = cpu->waiting.first;
    rcu_callbacks_init(cpu);
    for (const struct rcu_head *head = first; head; head = head->next)
        ++*count;
    return first;
}

/* False if no other CPU stays; this CPU has its callbacks back then. */
static bool give_away(struct rcu_cpu *cpu)
{
    uint64_t count = 0;
    struct rcu_head *last, *first = turn_round(take_all(cpu, &count), &last);
    unsigned end = rcu_cpu_end();

    for (unsigned i = 0; first && i < end; i++)
        if (&rcu_cpus[i] != cpu && push(i, first, last)) {
            rcu_count(&cpu->stats.handed_over, count);
            rcu_start(); /* so that CPU i looks into its inbox */
            return true;
        }
    if (first) {
        first = turn_round(first, &last);
        queue(cpu, first, last);
    }
    return !first;
}

void rcu_hand_over(void)
{
    struct rcu_cpu *cpu = rcu_this_cpu();

    while (rcu_cpu_has_callbacks(cpu)) {
        bool given;

        spin_lock(&moving);
        given = give_away(cpu);
        spin_unlock(&moving);
        for (unsigned turn = 0; !given && turn < 3; turn++)
            rcu_quiescent(); /* draws a number, finds it over, runs them; unless somebody has come back */
        if (!given)
            platform_relax(); /* somebody is about to leave, too: nobody takes them, and he reports still */
    }
}

/* A barrier is one callback on each CPU that may have some: behind all that are there. Its heads are in use
 * until it is over, so there is one at a time. */
static struct spinlock barrier_lock;
static struct rcu_head barrier_heads[PLATFORM_CPUS_MAX];
static uint32_t barrier_left;

static void barrier_run(struct rcu_head *head)
{
    (void)head;
    atomic_fetch_sub(&barrier_left, 1u);
}

static void barrier_ask_all(void)
{
    spin_lock(&moving);
    for (unsigned i = 0; i < rcu_cpu_end(); i++) {
        barrier_heads[i].run = barrier_run;
        atomic_fetch_add(&barrier_left, 1u);
        /* A closed inbox is that of a CPU without callbacks. */
        if (push(i, &barrier_heads[i], &barrier_heads[i]))
            rcu_count(&rcu_this_cpu()->stats.callbacks, 1);
        else
            atomic_fetch_sub(&barrier_left, 1u);
    }
    spin_unlock(&moving);
    rcu_start(); /* so that they look into their inboxes */
}

void rcu_barrier(void)
{
    while (!spin_trylock(&barrier_lock)) {
        platform_relax();
        rcu_quiescent();
    }
    barrier_ask_all();
    while (atomic_read_acquire(&barrier_left)) {
        platform_relax();
        rcu_quiescent();
    }
    spin_unlock(&barrier_lock);
}
