/* SPDX-License-Identifier: BSD-2-Clause */
/* One piece of work in many parts, on as many CPUs as have time.
 *
 * The work lies on its caller's stack. Helpers find it through `current`, under the lock, and count
 * themselves in there; its caller takes it off `current` under the lock, after which nobody comes any more,
 * and waits until those who came have left. An event that was posted for one run and comes late finds the
 * next one, or none. */
#include "arch/cpu/parallel.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/spinlock.h"
#include <stdbool.h>
#include <stddef.h>

struct run {
    void (*part)(void *argument, unsigned n);
    void *argument;
    unsigned parts;
    uint32_t next;    /* atomic: the part that is taken next */
    uint32_t helpers; /* atomic: CPUs that may look at this; counted up under the lock */
};

/* Each CPU's event. */
struct helper {
    struct work work;
    uint32_t posted; /* atomic: it is queued, or about to be */
};

static struct spinlock lock;
static struct run *current; /* under the lock */
static struct helper helpers[PLATFORM_CPUS_MAX];
static uint64_t helped; /* atomic */

static unsigned take_parts(struct run *run)
{
    unsigned taken = 0;
    uint32_t n;

    while ((n = atomic_fetch_add(&run->next, 1u)) < run->parts) {
        run->part(run->argument, n);
        taken++;
    }
    return taken;
}

static struct run *join(void)
{
    struct run *run;

    spin_lock(&lock);
    run = current;
    if (run)
        atomic_fetch_add(&run->helpers, 1u);
    spin_unlock(&lock);
    return run;
}

static void help(struct work *work)
{
    struct run *run;

    atomic_write(&CONTAINER_OF(work, struct helper, work)->posted, 0u);
    run = join();
    if (!run)
        return;
    atomic_fetch_add(&helped, take_parts(run));
    /* What the parts have written comes before this; pairs with the acquire in wait_for_helpers(). */
    atomic_fetch_sub(&run->helpers, 1u);
}

/* A CPU that has work of its own would come too late. */
static void call_helpers(unsigned count)
{
    for (unsigned cpu = 0; cpu < cpu_count() && count; cpu++) {
        struct helper *helper = &helpers[cpu];

        if (cpu == cpu_id() || !atomic_read(&cpu_get(cpu)->sleeping) || atomic_exchange(&helper->posted, 1u))
            continue;
        helper->work.run = help;
        event_post(cpu, &helper->work);
        count--;
    }
}

/* They run our own code: no hardware is waited for here that they do not wait for with a deadline. Somebody
 * may wait for a grace period meanwhile. */
static void wait_for_helpers(struct run *run)
{
    while (atomic_read_acquire(&run->helpers)) {
        rcu_quiescent();
        platform_relax();
    }
}

static bool begin(struct run *run)
{
    bool first;

    spin_lock(&lock);
    first = !current;
    if (first)
        current = run;
    spin_unlock(&lock);
    return first;
}

static void end(struct run *run)
{
    spin_lock(&lock);
    current = NULL;
    spin_unlock(&lock);
    wait_for_helpers(run);
}

void parallel_run(unsigned parts, void (*part)(void *argument, unsigned n), void *argument)
{
    struct run run = {.part = part, .argument = argument, .parts = parts};
    bool shared = parts > 1 && begin(&run);

    if (shared)
        call_helpers(parts - 1);
    take_parts(&run);
    if (shared)
        end(&run);
}

uint64_t parallel_helped(void)
{
    return atomic_read(&helped);
}
