/* SPDX-License-Identifier: BSD-2-Clause */
/* RCU by quiescent states.
 *
 * Grace periods have numbers. Number g starts when `newest` becomes g, and is over when every CPU has
 * reported a quiescent state after that: when each CPU's `seen` is 0 (it reads nothing) or at least g. A CPU
 * reports by copying `newest` into its `seen`, so one report serves every grace period that has started; a
 * later one may be over before anybody asked about an earlier one.
 *
 * Ordering (the letters name the fences below):
 *
 *   updater: unlink;  A;  read newest -> g, start g+1;  ...  B;  read seen of each CPU;  C;  free
 *   reader:  use pointers;  D;  seen = newest;  next read section
 *   idle:    seen = 0 (D);  ...;  seen = newest;  E;  first read section
 *
 *   A  orders the unlink before the start of g+1. A reader that reports g+1 has read newest after that start,
 * and x86 keeps its later loads behind that load: they find the pointer unlinked. So a reader that stays
 * online needs no fence after its report. B and E  are partners (store buffering): E orders seen = newest
 * before the first load of a pointer; B, which A and the start's compare-and-swap give, orders the unlink
 * before the load of seen. Either the updater sees the CPU online and waits for it, or the CPU's first load
 * finds the pointer unlinked. Without E both may miss. D  release: loads and stores of the read section are
 * done before seen changes; its partner is C  acquire: what is freed is touched only after seen was read.
 */
#include "lib/rcu.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"

/* Callbacks that wait for the same grace period, oldest first. */
struct rcu_segment {
    struct rcu_head *first;
    struct rcu_head **end; /* where the next one is linked */
    uint64_t grace_period; /* its number, for the segment that waits */
};

/* All of it is written by its own CPU only. */
struct rcu_cpu {
    uint64_t seen
        CACHE_ALIGNED; /* newest grace period at the last report; 0: offline or extended. Others read it */
    struct rcu_segment next CACHE_ALIGNED; /* queued since the waiting segment got its number */
    struct rcu_segment waiting;
    struct rcu_stats stats;
    unsigned nesting; /* read sections open, in debug builds */
};

static uint64_t newest CACHE_ALIGNED = 1;
static struct rcu_cpu cpus[PLATFORM_CPUS_MAX];
static unsigned cpu_end; /* above every CPU that ever came online */

static struct rcu_cpu *this_cpu(void)
{
    return &cpus[platform_cpu_id()];
}

#ifdef LULL_DEBUG
void rcu_read_lock_debug(void)
{
    struct rcu_cpu *cpu = this_cpu();

    if (!cpu->seen)
        platform_panic("rcu: read section on cpu %u, which is offline or in extended quiescence",
                       platform_cpu_id());
    cpu->nesting++;
}

void rcu_read_unlock_debug(void)
{
    if (this_cpu()->nesting-- == 0)
        platform_panic("rcu: read section ended on cpu %u, none was open", platform_cpu_id());
}
#endif

static void assert_no_reader(const struct rcu_cpu *cpu, const char *what)
{
    if (cpu->nesting)
        platform_panic("rcu: %s inside a read section", what);
}

static void segment_init(struct rcu_segment *segment)
{
    segment->first = NULL;
    segment->end = &segment->first;
}

static void report(struct rcu_cpu *cpu)
{
    uint64_t now = atomic_read_acquire(&newest);

    if (cpu->seen != now)
        atomic_write_release(&cpu->seen, now); /* fence D */
}

static bool is_over(uint64_t grace_period)
{
    unsigned end = atomic_read(&cpu_end);

    for (unsigned i = 0; i < end; i++) {
        uint64_t seen = atomic_read_acquire(&cpus[i].seen); /* fence C */

        if (seen && seen < grace_period)
            return false;
    }
    return true;
}

/* Makes sure that a grace period starts, or has started, after everything that this CPU did so far; returns
 * its number. */
static uint64_t start_grace_period(void)
{
    uint64_t before, expected;

    atomic_fence_full(); /* fence A */
    before = expected = atomic_read(&newest);
    /* Who loses the race needs no other try: the winner started before + 1 after we read before. Also fence
     * B. */
    if (!atomic_compare_exchange(&newest, &expected, before + 1))
        atomic_fence_full();
    return before + 1;
}

void rcu_cpu_online(void)
{
    struct rcu_cpu *cpu = this_cpu();
    unsigned end = atomic_read(&cpu_end);

    segment_init(&cpu->next);
    segment_init(&cpu->waiting);
    /* Raised before seen is set (fence E in rcu_extended_exit()), and read by updaters after fence B: whoever
     * may read pointers is below it. */
    while (end <= platform_cpu_id() && !atomic_compare_exchange(&cpu_end, &end, platform_cpu_id() + 1))
        ;
    rcu_extended_exit();
}

void rcu_cpu_offline(void)
{
    rcu_extended_enter();
}

void rcu_extended_enter(void)
{
    struct rcu_cpu *cpu = this_cpu();

    assert_no_reader(cpu, "extended quiescence");
    if (rcu_callbacks_pending())
        platform_panic("rcu: extended quiescence on cpu %u with callbacks pending", platform_cpu_id());
    atomic_write_release(&cpu->seen, 0); /* fence D */
}

void rcu_extended_exit(void)
{
    atomic_write(&this_cpu()->seen, atomic_read(&newest));
    atomic_fence_full(); /* fence E */
}

bool rcu_callbacks_pending(void)
{
    const struct rcu_cpu *cpu = this_cpu();

    return cpu->next.first || cpu->waiting.first;
}

static void run_callbacks(struct rcu_cpu *cpu)
{
    struct rcu_head *head = cpu->waiting.first;

    segment_init(&cpu->waiting);
    while (head) {
        struct rcu_head *following = head->next; /* run() may free head */

        head->run(head);
        /* Counted after it ran, since rcu_barrier() of another CPU goes by the count. */
        atomic_write_release(&cpu->stats.callbacks_done, cpu->stats.callbacks_done + 1);
        head = following;
    }
}

static void advance_callbacks(struct rcu_cpu *cpu)
{
    if (cpu->waiting.first && is_over(cpu->waiting.grace_period))
        run_callbacks(cpu);
    if (!cpu->waiting.first && cpu->next.first) {
        cpu->waiting = cpu->next;
        segment_init(&cpu->next);
        cpu->waiting.grace_period = start_grace_period();
    }
}

void rcu_quiescent(void)
{
    struct rcu_cpu *cpu = this_cpu();

    assert_no_reader(cpu, "quiescent state");
    report(cpu);
    if (cpu->waiting.first || cpu->next.first)
        advance_callbacks(cpu);
}

void rcu_call(struct rcu_head *head, void (*run)(struct rcu_head *head))
{
    struct rcu_cpu *cpu = this_cpu();

    head->run = run;
    head->next = NULL;
    *cpu->next.end = head;
    cpu->next.end = &head->next;
    atomic_write(&cpu->stats.callbacks, cpu->stats.callbacks + 1);
}

/* head is in the first struct page of a ring of pages that has no other head. */
static void free_page_ring(struct rcu_head *head)
{
    struct page *first = CONTAINER_OF(head, struct page, rcu);
    struct rcu_stats *stats = &this_cpu()->stats;
    uint64_t count = 1;

    while (!list_empty(&first->link)) {
        struct page *page = list_entry(first->link.next, struct page, link);

        list_remove(&page->link);
        pages_free(page_address(page));
        count++;
    }
    pages_free(page_address(first));
    atomic_write(&stats->pages_done, stats->pages_done + count);
}

void rcu_free_pages(struct list *pages)
{
    struct rcu_stats *stats = &this_cpu()->stats;
    struct page *first;
    uint64_t count = 0;

    if (list_empty(pages))
        return;
    list_for_each (node, pages)
        count++;
    atomic_write(&stats->pages, stats->pages + count);
    first = list_entry(pages->next, struct page, link);
    list_remove(pages);
    if (mutant(FREE_BEFORE_GRACE_PERIOD))
        free_page_ring(&first->rcu);
    else
        rcu_call(&first->rcu, free_page_ring);
}

uint64_t rcu_get_state(void)
{
    return start_grace_period();
}

bool rcu_poll(uint64_t state)
{
    return is_over(state);
}

void rcu_synchronize(void)
{
    uint64_t state = rcu_get_state();

    rcu_quiescent();
    while (!rcu_poll(state)) {
        platform_relax();
        rcu_quiescent();
    }
    atomic_fence_full(); /* what the caller does next comes after every reader that was waited for */
}

/* True when CPU i has run all callbacks that it had been given when `target` was read. */
static bool callbacks_done(unsigned i, uint64_t target)
{
    return atomic_read_acquire(&cpus[i].stats.callbacks_done) >= target;
}

void rcu_barrier(void)
{
    unsigned end = atomic_read(&cpu_end);

    for (unsigned i = 0; i < end; i++) {
        uint64_t target = atomic_read(&cpus[i].stats.callbacks);

        /* A CPU with callbacks does not sleep: it gets to them by itself. */
        while (!callbacks_done(i, target)) {
            platform_relax();
            rcu_quiescent();
        }
    }
}

void rcu_stats(struct rcu_stats *stats)
{
    unsigned end = atomic_read(&cpu_end);

    *stats = (struct rcu_stats){.grace_periods = atomic_read(&newest) - 1};
    for (unsigned i = 0; i < end; i++) {
        const struct rcu_stats *one = &cpus[i].stats;

        stats->callbacks += atomic_read(&one->callbacks);
        stats->callbacks_done += atomic_read(&one->callbacks_done);
        stats->pages += atomic_read(&one->pages);
        stats->pages_done += atomic_read(&one->pages_done);
    }
}
