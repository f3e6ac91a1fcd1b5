/* SPDX-License-Identifier: BSD-2-Clause */
/* Where another CPU is. */
#include "arch/cpu/where.h"
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "lib/deadline.h"
#include "lib/units.h"

#define ANSWER_NS (100 * NS_PER_MS)

static struct spinlock lock; /* one question at a time */

uintptr_t cpu_where(unsigned cpu)
{
    struct cpu *target = cpu_get(cpu);
    uintptr_t where = 0;
    uint32_t question;

    if (target == cpu_this())
        return 0;
    spin_lock(&lock);
    question = target->where_asked + 1;
    atomic_write_release(&target->where_asked, question);
    apic_send_nmi(cpu);
    if (wait_until(atomic_read_acquire(&target->where_answered) == question, ANSWER_NS))
        where = atomic_read(&target->where);
    spin_unlock(&lock);
    return where;
}

/* Each question may bring an NMI, late perhaps, and two may come as one. So an NMI is an answer as long as
 * fewer have come than were asked for; it answers the newest question. */
bool cpu_where_answer(const struct trap_frame *frame)
{
    struct cpu *cpu = cpu_this();
    uint32_t question = atomic_read_acquire(&cpu->where_asked);

    if (cpu->where_nmis == question)
        return false;
    cpu->where_nmis++;
    atomic_write(&cpu->where, frame->rip);
    atomic_write_release(&cpu->where_answered, question);
    return true;
}
