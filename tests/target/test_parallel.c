/* SPDX-License-Identifier: BSD-2-Clause */
/* Work in parts on several CPUs: each part is done once, idle CPUs help, and a busy one holds up nobody. */
#include "arch/cpu/cpu.h"
#include "arch/cpu/parallel.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/job.h"
#include <string.h>

#define PARTS 64

static uint32_t done[PARTS]; /* atomic */

static void busy_for(uint64_t ns)
{
    uint64_t end = platform_time_ns() + ns;

    while (platform_time_ns() < end)
        platform_relax();
}

static void part_of_a_millisecond(void *argument, unsigned n)
{
    busy_for(NS_PER_MS);
    atomic_fetch_add(&done[n], *(uint32_t *)argument);
}

static bool each_was_done(uint32_t times)
{
    for (unsigned n = 0; n < PARTS; n++)
        if (atomic_read(&done[n]) != times)
            return false;
    return true;
}

TEST(parallel_each_part_once)
{
    uint64_t helped = parallel_helped();
    uint32_t one = 1;

    memset(done, 0, sizeof(done));
    for (unsigned run = 0; run < 4; run++)
        parallel_run(PARTS, part_of_a_millisecond, &one);
    helped = parallel_helped() - helped;
    tap_ok(each_was_done(4), "4 runs of %u parts: each was done 4 times", PARTS);
    parallel_run(0, part_of_a_millisecond, &one);
    parallel_run(1, part_of_a_millisecond, &one);
    tap_ok(atomic_read(&done[0]) == 5 && atomic_read(&done[1]) == 4, "a run of one part, and of none");
    if (cpu_count() < 2)
        tap_skip("needs 2 CPUs");
    else
        tap_ok(helped > 0, "other CPUs did %llu of them", (unsigned long long)helped);
}

static void keep_busy(void *context)
{
    uint32_t *stop = context;

    (void)!wait_until(atomic_read(stop), 20 * NS_PER_S);
}

TEST(parallel_beside_busy_cpus)
{
    uint32_t stop = 0, one = 1;
    struct job jobs[8];
    unsigned others = cpu_count() - 1 < ARRAY_SIZE(jobs) ? cpu_count() - 1 : ARRAY_SIZE(jobs);

    memset(done, 0, sizeof(done));
    for (unsigned i = 0; i < others; i++)
        job_start(&jobs[i], i + 1, keep_busy, &stop);
    parallel_run(PARTS, part_of_a_millisecond, &one);
    tap_ok(each_was_done(1) && !atomic_read(&stop), "done while %u other CPUs have work of their own",
           others);
    atomic_write(&stop, 1u);
    for (unsigned i = 0; i < others; i++)
        job_wait(&jobs[i]);
}

/* A run within a part: the outer one has the help. */
static void part_with_parts(void *argument, unsigned n)
{
    if (n < 4)
        parallel_run(PARTS / 4, part_of_a_millisecond, argument);
}

TEST(parallel_two_at_once)
{
    uint32_t one = 1;
    uint64_t sum = 0;

    memset(done, 0, sizeof(done));
    parallel_run(8, part_with_parts, &one);
    for (unsigned n = 0; n < PARTS; n++)
        sum += done[n];
    tap_ok(sum == PARTS, "4 parts that are runs of %u parts themselves: %llu parts", PARTS / 4,
           (unsigned long long)sum);
}
