/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's timer: counts down from a start value, and again, at a rate that only a measurement tells.
 */
#include "arch/cpu/apic_timer.h"
#include "arch/cpu/apic.h"
#include "arch/cpu/apic_registers.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/interrupt.h"
#include "arch/cpu/tsc.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/units.h"

#define MEASURE_NS    (10 * NS_PER_MS)
#define TIMER_HZ_MIN  1000 /* a timer that stands still, as good as */
#define PERIOD_MAX_NS (30 * NS_PER_S)

static uint64_t timer_hz; /* after the divisor */

static void timer_interrupt(void *context)
{
    struct cpu *cpu = cpu_this();

    (void)context;
    /* One that was under way when the timer was stopped finds no handler. */
    if (cpu->timer_handler)
        cpu->timer_handler(cpu->timer_context);
}

/* The counter, and the time at which it was read. */
struct sample {
    uint64_t ns;
    uint32_t count;
};

/* The best of several tries: an SMI or a hypervisor may come between the two clocks. */
static struct sample take_sample(void)
{
    struct sample best = {0, 0};
    uint64_t best_window = ~0ull;

    for (int i = 0; i < 8; i++) {
        uint64_t before = tsc_ns();
        uint32_t count = apic_read(APIC_TIMER_NOW);
        uint64_t window = tsc_ns() - before;

        if (window < best_window) {
            best_window = window;
            best = (struct sample){before + window / 2, count};
        }
    }
    return best;
}

int apic_timer_init(void)
{
    struct sample start, end;

    apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
    apic_write(APIC_TIMER_START, ~0u);
    start = take_sample();
    do
        end = take_sample();
    while (end.ns - start.ns < MEASURE_NS);
    apic_write(APIC_TIMER_START, 0);
    timer_hz = (start.count - end.count) * NS_PER_S / (end.ns - start.ns);
    if (timer_hz < TIMER_HZ_MIN) {
        log_error("apic: the timer went from %u to %u in %lu ms", start.count, end.count,
                  (unsigned long)(MEASURE_NS / NS_PER_MS));
        return ERR_HARDWARE;
    }
    interrupt_set(VECTOR_TIMER, timer_interrupt, NULL);
    log_info("apic: %s, timer %lu.%03lu MHz", apic_is_x2apic() ? "x2APIC" : "xAPIC",
             (unsigned long)(timer_hz * TIMER_DIVISOR / 1000000),
             (unsigned long)(timer_hz * TIMER_DIVISOR / 1000 % 1000));
    return 0;
}

void apic_timer_start(uint64_t period_ns, void (*handler)(void *context), void *context)
{
    uint64_t saved = irq_save();
    struct cpu *cpu = cpu_this();
    uint64_t period = period_ns < PERIOD_MAX_NS ? period_ns : PERIOD_MAX_NS;
    uint64_t count = timer_hz * period / NS_PER_S;

    cpu->timer_handler = handler;
    cpu->timer_context = context;
    if (count > ~0u)
        count = ~0u;
    apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_16);
    apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR_TIMER);
    apic_write(APIC_TIMER_START, count ? (uint32_t)count : 1);
    irq_restore(saved);
}

void apic_timer_stop(void)
{
    uint64_t saved = irq_save();

    apic_write(APIC_LVT_TIMER, LVT_MASKED);
    apic_write(APIC_TIMER_START, 0);
    cpu_this()->timer_handler = NULL;
    irq_restore(saved);
}
