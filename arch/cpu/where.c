/* SPDX-License-Identifier: BSD-2-Clause */
/* Where another CPU is. */
#include "arch/cpu/where.h"
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "lib/deadline.h"
#include "lib/units.h"

#define ANSWER_NS (10 * NS_PER_MS)

static struct spinlock lock; /* one question at a time */
static uint32_t asked;       /* atomic: the CPU that is to answer, its id + 1 */
static uint64_t answer;      /* atomic */

uintptr_t cpu_where(unsigned cpu)
{
    uintptr_t where = 0;

    if (cpu == cpu_id())
        return 0;
    spin_lock(&lock);
    atomic_write(&answer, 0ull);
    atomic_write_release(&asked, cpu + 1);
    apic_send_nmi(cpu);
    if (wait_until(atomic_read_acquire(&answer), ANSWER_NS))
        where = atomic_read(&answer);
    /* The question stays for an NMI that comes late; the next one replaces it. */
    spin_unlock(&lock);
    return where;
}

bool cpu_where_answer(const struct trap_frame *frame)
{
    uint32_t self = cpu_id() + 1;

    if (!atomic_compare_exchange(&asked, &self, 0))
        return false;
    atomic_write_release(&answer, frame->rip);
    return true;
}
