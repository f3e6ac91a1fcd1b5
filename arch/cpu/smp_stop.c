/* SPDX-License-Identifier: BSD-2-Clause */
/* Stopping the other CPUs for good: by NMI, since they may have interrupts off, for ever perhaps. */
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/smp.h"
#include "lib/deadline.h"
#include "lib/units.h"

#define STOP_WAIT_NS (200 * NS_PER_MS)

static uint32_t stopper; /* atomic: who stops all others, its id + 1 */

unsigned smp_stop_others(void)
{
    uint32_t self = cpu_id() + 1;
    uint32_t expected = 0;
    unsigned running = 0;

    irq_disable();
    if (!atomic_compare_exchange(&stopper, &expected, self)) {
        if (expected != self)
            cpu_halt_forever(); /* its NMI is on its way */
        return 0;
    }
    for (unsigned i = 0; i < cpu_count(); i++)
        if (i + 1 != self)
            apic_send_nmi(i);
    /* All were told at once: what the first that does not stop was given, the others have had too. */
    for (unsigned i = 0; i < cpu_count(); i++)
        if (i + 1 != self &&
            !wait_until(atomic_read_acquire(&cpu_get(i)->state) == CPU_STOPPED, running ? 0 : STOP_WAIT_NS))
            running++;
    return running;
}

void smp_stop_if_asked(const struct trap_frame *frame)
{
    struct cpu *cpu = cpu_this();
    uint32_t who = atomic_read_acquire(&stopper);

    if (!who || who == cpu->id + 1)
        return;
    cpu->stopped_at = frame;
    atomic_write_release(&cpu->state, CPU_STOPPED);
    cpu_halt_forever();
}
