/* SPDX-License-Identifier: BSD-2-Clause */
/* The IDT and the table of interrupt handlers. */
#include "arch/cpu/interrupt.h"
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/outside_call.h"
#include "arch/cpu/panic.h"
#include "arch/cpu/probe.h"
#include "arch/cpu/segments.h"
#include "arch/cpu/smp.h"
#include "arch/cpu/where.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/spinlock.h"

#define VECTORS            256
#define EXCEPTIONS         32
#define STUB_BYTES         16
#define GATE_INTERRUPT     (0x8eull << 40) /* present, ring 0, interrupts off in the handler */
#define GATE_IST(ist)      ((uint64_t)(ist) << 32)
#define GATE_SELECTOR(sel) ((uint64_t)(sel) << 16)

#define MSI_ADDRESS             0xfee00000ull
#define MSI_ADDRESS_ID(id)      ((uint64_t)((id)&0xff) << 12)
#define MSI_ADDRESS_ID_HIGH(id) ((uint64_t)((id) & ~0xffu) << 32)

/* SDM volume 3, 6.14.1. */
struct gate {
    uint64_t low;
    uint64_t high;
};

struct handler {
    void (*run)(void *context); /* set last, so that who sees it sees context too */
    void *context;
};

extern const char interrupt_stubs[VECTORS][STUB_BYTES];

static struct gate idt[VECTORS];
static struct handler handlers[VECTORS];
static struct spinlock alloc_lock;
static uint8_t reported[VECTORS]; /* atomic: stray interrupts are worth one line each */

static unsigned ist_of(unsigned vector)
{
    switch (vector) {
    case VECTOR_DOUBLE_FAULT:
        return IST_DOUBLE_FAULT;
    case VECTOR_NMI:
        return IST_NMI;
    case VECTOR_MACHINE_CHECK:
        return IST_MACHINE_CHECK;
    default:
        return 0;
    }
}

static void wake(void *context)
{
    (void)context; /* that it came is all: it ended a hlt */
}

void interrupt_init(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        uint64_t stub = (uintptr_t)interrupt_stubs[vector];

        idt[vector].low = (stub & 0xffff) | GATE_SELECTOR(SELECTOR_CODE) | GATE_IST(ist_of(vector)) |
                          GATE_INTERRUPT | (stub >> 16 & 0xffff) << 48;
        idt[vector].high = stub >> 32;
    }
    interrupt_set(VECTOR_WAKE, wake, NULL);
}

void interrupt_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr = {sizeof(idt) - 1, (uintptr_t)idt};

    __asm__ volatile("lidt %0" ::"m"(idtr));
}

void interrupt_set(uint8_t vector, void (*handler)(void *context), void *context)
{
    handlers[vector].context = context;
    atomic_write_release(&handlers[vector].run, handler);
}

int interrupt_alloc(void (*handler)(void *context), void *context, uint8_t *vector)
{
    uint64_t saved = spin_lock_irq(&alloc_lock);
    unsigned v = VECTOR_ALLOC_FIRST;

    while (v <= VECTOR_ALLOC_LAST && handlers[v].run)
        v++;
    if (v <= VECTOR_ALLOC_LAST)
        interrupt_set((uint8_t)v, handler, context);
    spin_unlock_irq(&alloc_lock, saved);
    if (v > VECTOR_ALLOC_LAST) {
        log_error("interrupt: all vectors are taken");
        return ERR_NOMEM;
    }
    *vector = (uint8_t)v;
    return 0;
}

void interrupt_free(uint8_t vector)
{
    atomic_write_release(&handlers[vector].run, NULL);
}

void interrupt_msi(unsigned cpu, uint8_t vector, uint64_t *address, uint32_t *data)
{
    uint32_t id = cpu_apic_id(cpu);

    *address = MSI_ADDRESS | MSI_ADDRESS_ID(id) | MSI_ADDRESS_ID_HIGH(id);
    *data = vector;
}

static void exception(struct trap_frame *frame)
{
    if ((frame->vector == VECTOR_PAGE_FAULT && probe_fixup(frame)) || outside_call_fixup(frame))
        return;
    if (frame->vector == VECTOR_NMI) {
        smp_stop_if_asked(frame);
        if (cpu_where_answer(frame))
            return;
    }
    panic_exception(frame);
}

static void interrupt(uint8_t vector)
{
    void (*run)(void *context) = atomic_read_acquire(&handlers[vector].run);

    cpu_this()->in_interrupt = true;
    cpu_this()->interrupts++;
    if (run)
        run(handlers[vector].context);
    else if (!atomic_exchange(&reported[vector], 1))
        log_warn("interrupt: vector 0x%02x came, which nobody has asked for", vector);
    apic_eoi();
    cpu_this()->in_interrupt = false;
}

void interrupt_dispatch(struct trap_frame *frame)
{
    uint8_t vector = (uint8_t)frame->vector;

    /* A spurious interrupt is not in service: an end-of-interrupt would end another one. */
    if (vector < EXCEPTIONS)
        exception(frame);
    else if (vector != VECTOR_SPURIOUS)
        interrupt(vector);
}
