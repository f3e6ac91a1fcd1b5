/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUs that run, each with an area of its own that GS points to, and what they can do. */
#pragma once

#include "arch/cpu/segments.h"
#include "boot/boot_info.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/spinlock.h"
#include <stdbool.h>
#include <stdint.h>

struct trap_frame;

/* How far a CPU has come; changes by compare-and-swap where two CPUs may both want to change it. */
enum cpu_state {
    CPU_STARTING,
    CPU_ONLINE,
    CPU_ABANDONED, /* was too late: it may not go on */
    CPU_STOPPED,   /* by an NMI, for good */
};

/* One CPU's own area. Unless it says otherwise a field is written by that CPU alone, or before it starts. */
struct cpu {
    struct cpu *self; /* at GS:0 */
    uint32_t id;      /* dense, from 0 */
    uint32_t apic_id;
    uint32_t state;   /* enum cpu_state, atomic */
    uint32_t arrived; /* atomic: has come as far as code in C */

    bool in_interrupt;         /* a handler runs */
    uint64_t interrupts;       /* that came, ever; written by this CPU alone */
    uint32_t sleeping;         /* atomic; see event.c */
    struct spinlock work_lock; /* of the next one; taken with interrupts off */
    struct list work;          /* events posted to this CPU, by any CPU */

    void (*timer_handler)(void *context);
    void *timer_context;

    int64_t tsc_offset; /* what to add to this CPU's TSC to get CPU 0's */

    struct segments segments;
    uintptr_t stack_top;

    uint64_t outside_stack; /* while outside code runs; see outside_call.c */

    uint32_t where_asked;    /* atomic, as the next two: see where.c */
    uint32_t where_answered; /* the newest question that `where` answers */
    uint64_t where;
    uint32_t where_nmis; /* that came for questions */

    const struct trap_frame *stopped_at; /* once state is CPU_STOPPED: where */
    char brand[49];
} CACHE_ALIGNED;

/* What CPU 0 can do; the others are taken to be its like. Decoded once, by cpu_boot_init(). */
struct cpu_features {
    bool x2apic;
    bool smep;
    bool smap;
    bool umip;
    bool nx;
    bool gib_pages;
    bool invariant_tsc;
    bool la57; /* five levels of tables are in use */
    bool xapic;
    bool clflushopt;
    bool clwb;
    bool avx2;       /* and what it takes to switch it on (XSAVE) */
    bool hypervisor; /* runs under one */
    uint32_t clflush_bytes;
    uint32_t physical_bits;
    uint32_t max_leaf;
    uint32_t max_extended_leaf;
};

extern struct cpu_features cpu_features;

/* This CPU's area. Valid from entry.S on; changes never while an event runs. */
static ALWAYS_INLINE struct cpu *cpu_this(void)
{
    struct cpu *cpu;

    __asm__("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

static ALWAYS_INLINE unsigned cpu_id(void)
{
    return cpu_this()->id;
}

/* CPUs that are online: their ids are 0 to this, exclusive. Grows once, when smp_start() is through. */
unsigned cpu_count(void);

/* The area of a CPU below cpu_count(). */
struct cpu *cpu_get(unsigned cpu);

/* First thing in lull_main(), on CPU 0, interrupts off: features, GDT, TSS, IDT, IST stacks, control
 * registers, PAT. From here on an exception is a panic with a backtrace. Interrupts stay off until
 * event_loop(), or until the caller enables them after apic_init(). */
void cpu_boot_init(const struct boot_info *info);

/* Control registers, PAT, descriptor tables of the calling CPU as cpu_boot_init() sets them. For smp.c. */
void cpu_init_this(struct cpu *cpu);

/* For smp.c: puts an area into the table of CPUs under its id; and publishes how many are online. */
void cpu_register(struct cpu *cpu);
void cpu_set_count(unsigned count);

/* CPUID's name of the CPU, "" if it has none; and its local APIC's id. cpu is below cpu_count(). */
const char *cpu_brand(unsigned cpu);
uint32_t cpu_apic_id(unsigned cpu);
