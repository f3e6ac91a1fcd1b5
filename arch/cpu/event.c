/* SPDX-License-Identifier: BSD-2-Clause */
/* Each CPU's queue of events and the loop that runs them. */
#include "arch/cpu/event.h"
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/interrupt.h"
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/rcu.h"

/* How nobody sleeps over an event (store buffering, Dekker's pattern):
 *
 *   event_post():  put work on the queue;  fence P;  read sleeping
 *   idle():        sleeping = 1;           fence I;  look at the queue
 *
 * P orders the queue's change before the read of sleeping, I orders sleeping = 1 before the look at the
 * queue. Either the poster sees that the CPU sleeps, and wakes it; or the CPU sees the work, and does not
 * sleep. An interrupt that comes after the look and before the hlt ends the hlt: interrupts are off until the
 * sti just before it, whose shadow covers the hlt. */

void event_post(unsigned cpu, struct work *work)
{
    struct cpu *target = cpu_get(cpu);
    uint64_t saved = spin_lock_irq(&target->work_lock);

    /* A list with one node twice would lead in a circle, past all that comes after. */
    if (work->link.next && !list_empty(&work->link))
        platform_panic("work for cpu%u is posted while it is queued", cpu);
    list_append(&target->work, &work->link);
    spin_unlock_irq(&target->work_lock, saved);
    atomic_fence_full(); /* fence P */
    /* This CPU itself is awake, or in the interrupt that has just woken it. */
    if (target != cpu_this() && atomic_read(&target->sleeping))
        apic_send_ipi(cpu, VECTOR_WAKE);
}

static struct work *take(struct cpu *cpu)
{
    uint64_t saved = spin_lock_irq(&cpu->work_lock);
    struct work *work = NULL;

    if (!list_empty(&cpu->work)) {
        work = list_entry(cpu->work.next, struct work, link);
        list_remove(&work->link);
    }
    spin_unlock_irq(&cpu->work_lock, saved);
    return work;
}

/* Only this CPU takes events from its queue: one that was seen stays. */
static bool has_work(struct cpu *cpu)
{
    return atomic_read(&cpu->work.next) != &cpu->work;
}

static bool run_one(struct cpu *cpu)
{
    struct work *work = has_work(cpu) ? take(cpu) : NULL;

    if (work)
        work->run(work);
    return work;
}

static void idle(struct cpu *cpu)
{
    irq_disable();
    atomic_write(&cpu->sleeping, 1);
    atomic_fence_full(); /* fence I */
    if (has_work(cpu)) {
        irq_enable();
    } else if (rcu_extended_enter()) {
        irq_enable_and_halt();
        /* Interrupt handlers have run by now, without read sections; what comes next may open one. */
        rcu_extended_exit();
    } else {
        /* Callbacks wait here, and nobody else runs them: the loop polls until their grace period is over. */
        atomic_write(&cpu->sleeping, 0);
        irq_enable();
        cpu_pause();
    }
    atomic_write(&cpu->sleeping, 0);
}

void event_step(void)
{
    rcu_quiescent();
    run_one(cpu_this());
}

NORETURN void event_loop(void)
{
    struct cpu *cpu = cpu_this();

    irq_enable();
    for (;;) {
        rcu_quiescent();
        if (!run_one(cpu))
            idle(cpu);
    }
}
