/* SPDX-License-Identifier: BSD-2-Clause */
/* The IDT: exceptions go to panic, interrupts to handlers. The same vectors mean the same on all CPUs. */
#pragma once

#include "lib/compiler.h"
#include <stdint.h>

enum vector {
    VECTOR_DIVIDE = 0,
    VECTOR_DEBUG = 1,
    VECTOR_NMI = 2,
    VECTOR_DOUBLE_FAULT = 8,
    VECTOR_GENERAL_PROTECTION = 13,
    VECTOR_PAGE_FAULT = 14,
    VECTOR_MACHINE_CHECK = 18,
    VECTOR_ALLOC_FIRST = 0x30, /* 0x20 to 0x2f: where the masked 8259s would raise a stray one */
    VECTOR_ALLOC_LAST = 0xef,
    VECTOR_WAKE = 0xf0, /* does nothing but end a hlt: for event_post() */
    VECTOR_TIMER = 0xf1,
    VECTOR_APIC_ERROR = 0xfe,
    VECTOR_SPURIOUS = 0xff,
};

/* The registers at an exception or interrupt, as interrupt_entry.S pushes them. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Fills in the IDT, once on CPU 0; and loads it, on each CPU. */
void interrupt_init(void);
void interrupt_load(void);

/* Gives one of the fixed vectors above its handler. As interrupt_alloc(), on CPU 0. */
void interrupt_set(uint8_t vector, void (*handler)(void *context), void *context);

/* Reserves a vector whose interrupts call handler(context), on whatever CPU they arrive, with interrupts off.
 * The handler opens no RCU read section; it posts work. 0, or ERR_NOMEM when no vector is left. Any CPU, not
 * in an interrupt handler. */
int interrupt_alloc(void (*handler)(void *context), void *context, uint8_t *vector) MUST_CHECK;

/* Gives a vector back: nothing raises it any more. A handler that runs on another CPU may not have ended. */
void interrupt_free(uint8_t vector);

/* What a message carries that no unit remaps to raise vector on a CPU (fixed, edge, physical destination).
 * The id of an APIC above 255 goes into the upper half of address, as VT-d's own interrupt registers want it.
 */
void interrupt_msi(unsigned cpu, uint8_t vector, uint64_t *address, uint32_t *data);

/* Called by interrupt_entry.S for each exception and interrupt. */
void interrupt_dispatch(struct trap_frame *frame);
