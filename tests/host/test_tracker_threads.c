/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM that is copied while everybody writes, on real threads: the hypervisor, a device, and unmaps that
 * report. After each round the copy must be the memory. Meanwhile the tracker's range grows and shrinks, it
 * stops and starts, and passes run on two CPUs, and some of them fail. */
#include "lib/error.h"
#include "lib/rcu.h"
#include "lib/tracker.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <pthread.h>
#include <stdlib.h>

/* The VM's memory: a word in each of so many pages, far apart, so that passes have parts. */
#define CELLS  768u
#define STRIDE (4 * MIB + PAGE_SIZE)
#define SMALL  (4 * GIB - 1)
#define LARGE  (5 * GIB + 7 * PAGE_SIZE - 1)
#define PARTS  4u

#define NOWHERE UINT64_MAX

_Static_assert((CELLS - 1) * STRIDE < SMALL, "all cells are covered, however small the range");

enum { COPIER, HELPER, WRITER, MARKER, DEVICE, UNMAPPER, CPUS };
#define WRITERS (CPUS - WRITER)

static struct tracker *tracker;
static uint64_t cells[CELLS], copies[CELLS]; /* atomic, the first */
static uint64_t report_words[LARGE / PAGE_SIZE / 64 + 1];
static uint64_t over, pause_asked, paused; /* atomic */
static uint64_t writes[CPUS];
static uint64_t lost, rounds, passes, resizes;

/* The source: the pages that a device has written, as dirty bits; and where unmaps report. */
static uint64_t dirty[CELLS / 64];  /* atomic */
static uint64_t fails_at = NOWHERE; /* the pass over this address fails; written while there is none */
static pthread_mutex_t unmap_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dirty_bitmap *unmapped;

static uint64_t gpa_of(unsigned cell)
{
    return cell * STRIDE;
}

static void set_unmapped(struct dirty_bitmap *bitmap)
{
    pthread_mutex_lock(&unmap_lock);
    unmapped = bitmap;
    pthread_mutex_unlock(&unmap_lock);
}

static int source_start(struct tracker_source *source, unsigned level, struct dirty_bitmap *bitmap)
{
    (void)source;
    (void)level;
    set_unmapped(bitmap);
    return 0;
}

static int source_stop(struct tracker_source *source)
{
    (void)source;
    set_unmapped(NULL);
    return 0;
}

/* Two parts may share a word of dirty bits, but no bit. */
static int source_pass(struct tracker_source *source, uint64_t first, uint64_t last,
                       struct dirty_bitmap *bitmap, unsigned flags, struct harvest_stats *stats)
{
    (void)source;
    (void)flags;
    for (unsigned cell = 0; cell < CELLS; cell++) {
        if (gpa_of(cell) < first || gpa_of(cell) > last || !bitmap_test(dirty, cell))
            continue;
        bitmap_clear(dirty, cell);
        dirty_bitmap_mark(bitmap, gpa_of(cell), gpa_of(cell));
        stats->dirty++;
    }
    return fails_at >= first && fails_at <= last ? ERR_TIMEOUT : 0;
}

static int source_split(struct tracker_source *source, uint64_t first, uint64_t last, unsigned level)
{
    (void)source;
    (void)first;
    (void)last;
    (void)level;
    return 0;
}

static int source_merge(struct tracker_source *source, uint64_t first, uint64_t last)
{
    return source_split(source, first, last, 0);
}

static void source_redirect(struct tracker_source *source, struct dirty_bitmap *bitmap)
{
    (void)source;
    set_unmapped(bitmap);
}

static const struct tracker_source_ops source_ops = {source_start, source_stop,  source_pass,
                                                     source_split, source_merge, source_redirect};
static struct tracker_source source = {.name = "device", .ops = &source_ops};

/* --- who writes --- */

static int guest_write(void *context, uint64_t gpa, const void *data, size_t bytes)
{
    (void)context;
    assert_int_equal(bytes, sizeof cells[0]);
    atomic_write(&cells[gpa / STRIDE], *(const uint64_t *)data);
    return 0;
}

static void write_cell(unsigned role, unsigned cell, uint64_t value)
{
    uint64_t gpa = gpa_of(cell);

    if (role == WRITER) {
        assert_int_equal(tracker_write(tracker, gpa, &value, sizeof value), 0);
        return;
    }
    atomic_write(&cells[cell], value);
    if (role == MARKER) {
        tracker_mark(tracker, gpa, gpa);
    } else if (role == DEVICE) {
        bitmap_set(dirty, cell);
    } else {
        pthread_mutex_lock(&unmap_lock);
        if (unmapped)
            dirty_bitmap_mark(unmapped, gpa, gpa);
        pthread_mutex_unlock(&unmap_lock);
    }
}

static void begin(unsigned cpu)
{
    host_set_cpu(cpu);
    rcu_cpu_online();
}

static void end(void)
{
    rcu_barrier();
    rcu_cpu_offline();
}

static void wait_while_paused(void)
{
    if (!atomic_read(&pause_asked))
        return;
    atomic_fetch_add(&paused, 1u);
    while (atomic_read(&pause_asked)) {
        rcu_quiescent();
        platform_relax();
    }
    atomic_fetch_sub(&paused, 1u);
}

/* Cells are shared out, so that each has its values one after the other. */
static void *writer(void *cpu)
{
    unsigned role = (unsigned)(uintptr_t)cpu, seed = role;

    begin(role);
    while (!atomic_read(&over)) {
        unsigned cell = (unsigned)rand_r(&seed) % (CELLS / WRITERS) * WRITERS + (role - WRITER);

        write_cell(role, cell, ++writes[role]);
        rcu_quiescent();
        wait_while_paused();
    }
    end();
    return NULL;
}

/* --- a pass on two CPUs --- */

static struct {
    void (*part)(void *argument, unsigned n);
    void *argument;
    uint64_t next, done; /* atomic */
} job;

static uint64_t helped; /* atomic */

static unsigned take_parts(void)
{
    unsigned taken = 0;
    uint64_t n;

    while ((n = atomic_fetch_add(&job.next, 1u)) < PARTS) {
        job.part(job.argument, (unsigned)n);
        atomic_fetch_add(&job.done, 1u);
        taken++;
    }
    return taken;
}

static void run(unsigned parts, void (*part)(void *argument, unsigned n), void *argument)
{
    assert_int_equal(parts, PARTS);
    job.part = part;
    job.argument = argument;
    atomic_write(&job.done, 0u);
    atomic_write_release(&job.next, 0u);
    take_parts();
    while (atomic_read_acquire(&job.done) < PARTS) {
        rcu_quiescent();
        platform_relax();
    }
}

static void *helper(void *cpu)
{
    begin((unsigned)(uintptr_t)cpu);
    while (!atomic_read(&over)) {
        if (atomic_read_acquire(&job.next) < PARTS)
            atomic_fetch_add(&helped, take_parts());
        rcu_quiescent();
        platform_relax();
    }
    end();
    return NULL;
}

/* --- who copies --- */

static void copy_reported(void)
{
    for (unsigned cell = 0; cell < CELLS; cell++) {
        if (!bitmap_test(report_words, gpa_of(cell) / PAGE_SIZE))
            continue;
        bitmap_clear(report_words, gpa_of(cell) / PAGE_SIZE);
        copies[cell] = atomic_read(&cells[cell]);
    }
}

static void copy_all(void)
{
    for (unsigned cell = 0; cell < CELLS; cell++)
        copies[cell] = atomic_read(&cells[cell]);
}

static void start_and_copy_all(void)
{
    assert_int_equal(tracker_start(tracker, PT_LEAF_LEVEL_MAX, TRACKER_NONE_DIRTY), 0);
    copy_all();
}

/* In one part, on whichever CPU. */
static void pass_that_fails(struct dirty_bitmap *report, unsigned *seed)
{
    struct tracker_pass pass;

    fails_at = gpa_of((unsigned)rand_r(seed) % CELLS);
    assert_int_equal(tracker_pass(tracker, report, 0, &pass), ERR_TIMEOUT);
    assert_string_equal(pass.failed, source.name);
    assert_true(fails_at >= pass.failed_first && fails_at <= pass.failed_last);
    fails_at = NOWHERE;
}

static void round_of_passes(unsigned *seed)
{
    struct dirty_bitmap report = {report_words, 0, LARGE};

    if (rounds % 8 == 7) {
        assert_int_equal(tracker_stop(tracker), 0);
        start_and_copy_all();
    }
    for (unsigned pass = 0; pass < 8; pass++) {
        if (rand_r(seed) % 4 == 0) {
            assert_int_equal(tracker_resize(tracker, rand_r(seed) % 2 ? SMALL : LARGE), 0);
            resizes++;
        }
        if (rand_r(seed) % 4 == 0)
            pass_that_fails(&report, seed);
        assert_int_equal(tracker_pass(tracker, &report, 0, NULL), 0);
        copy_reported();
        passes++;
    }
    if (rand_r(seed) % 2) /* the last that happens to marks of this round */
        assert_int_equal(tracker_resize(tracker, rand_r(seed) % 2 ? SMALL : LARGE), 0);
    atomic_write(&pause_asked, 1u);
    while (atomic_read(&paused) < WRITERS) {
        rcu_quiescent();
        platform_relax();
    }
    assert_int_equal(tracker_finish(tracker, &report, NS_PER_S, NULL), 0);
    copy_reported();
    for (unsigned cell = 0; cell < CELLS; cell++)
        lost += copies[cell] != atomic_read(&cells[cell]);
    copy_all(); /* what was lost counts once */
    atomic_write(&pause_asked, 0u);
    while (atomic_read(&paused)) {
        rcu_quiescent();
        platform_relax();
    }
    rounds++;
}

/* A busy machine has more time. */
static bool enough(void)
{
    return rounds > 10 && resizes > 10 && atomic_read(&helped);
}

static void the_copy_is_the_memory(void **state)
{
    static void *(*const roles[CPUS])(void *cpu) = {
        [HELPER] = helper, [WRITER] = writer, [MARKER] = writer, [DEVICE] = writer, [UNMAPPER] = writer};
    struct tracker_config config = {
        .name = "vm", .last = SMALL, .write = guest_write, .run = run, .parts = PARTS};
    pthread_t threads[CPUS];
    uint64_t begin_ns = platform_time_ns();
    unsigned seed = 1;
    int error;

    (void)state;
    begin(COPIER);
    atomic_write(&job.next, PARTS);
    tracker = tracker_create(&config, &error);
    assert_non_null(tracker);
    assert_int_equal(tracker_add_source(tracker, &source), 0);
    for (uintptr_t cpu = HELPER; cpu < CPUS; cpu++)
        pthread_create(&threads[cpu], NULL, roles[cpu], (void *)cpu);
    start_and_copy_all();
    while (!lost && platform_time_ns() - begin_ns < (enough() ? 2 : 20) * NS_PER_S)
        round_of_passes(&seed);
    atomic_write(&over, 1u);
    /* The others wait for callbacks to run, and with that for this CPU too. */
    rcu_barrier();
    rcu_cpu_offline();
    for (unsigned cpu = HELPER; cpu < CPUS; cpu++)
        pthread_join(threads[cpu], NULL);
    rcu_cpu_online();
    print_message("# %llu rounds, %llu passes, %llu resizes; %llu parts by the second CPU; %llu writes\n",
                  (unsigned long long)rounds, (unsigned long long)passes, (unsigned long long)resizes,
                  (unsigned long long)helped, (unsigned long long)writes[WRITER]);
    assert_int_equal(lost, 0);
    assert_true(enough());
    assert_int_equal(tracker_stop(tracker), 0);
    assert_int_equal(tracker_destroy(tracker), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_copy_is_the_memory),
    };

    host_memory_init(64 * MIB);
    return cmocka_run_group_tests_name("tracker_threads", tests, NULL, NULL);
}
