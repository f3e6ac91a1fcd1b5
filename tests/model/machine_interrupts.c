/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts: vectors, and when a CPU takes one. */
#include "tests/model/machine_interrupts.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "tests/model/history.h"
#include "tests/model/machine.h"
#include "tests/model/memory.h"
#include "tests/model/schedule.h"
#include "tests/model/store_buffer.h"
#include "tests/model/violation.h"
#include <inttypes.h>

#define VECTORS_MAX  16
#define VECTOR_FIRST 0x40u
/* An MSI's address names the CPU that it goes to in bits 19:12 (Intel SDM volume 3, "Message Signalled
 * Interrupts"). All go to CPU 0 here, whose number as an APIC is 0, too. */
#define MSI_ADDRESS 0xfee00000ull

struct vector {
    void (*handler)(void *context);
    void *context;
    bool pending; /* a local APIC keeps that it was raised, not how often */
};

static struct vector vectors[VECTORS_MAX];
static unsigned vector_count;
static struct {
    bool off;
    bool in_handler;
} cpus[MACHINE_CPUS];

/* Whose number is asked for while no run is under way: CPU 0 makes the machine. */
unsigned platform_cpu_id(void)
{
    const struct agent *agent = agent_current();

    if (agent && agent_kind(agent) != AGENT_CPU)
        violation(VIOLATION_PANIC, "%s is no CPU, and runs code for CPUs", agent_name(agent));
    return agent ? agent_cpu(agent) : 0;
}

int platform_msi_alloc(void (*handler)(void *context), void *context, uint64_t *address, uint32_t *data)
{
    if (vector_count == VECTORS_MAX)
        return ERR_NOMEM;
    *address = MSI_ADDRESS;
    *data = VECTOR_FIRST + vector_count;
    vectors[vector_count++] = (struct vector){.handler = handler, .context = context};
    return 0;
}

void machine_interrupt(uint64_t address, uint32_t data)
{
    unsigned n = data - VECTOR_FIRST;

    if (address != MSI_ADDRESS || n >= vector_count)
        violation(VIOLATION_INTERRUPT,
                  "%s sends a message of data %#x to %#" PRIx64 ", which nobody asked for",
                  agent_name(agent_current()), data, address);
    history("raises vector %#lx", data);
    vectors[n].pending = true;
}

/* A CPU other than 0, or one that takes none now, has nothing to do here; nor has the page allocator, in
 * which there is no step. */
static bool may_take(void)
{
    const struct agent *agent = agent_current();

    return agent && agent_kind(agent) == AGENT_CPU && agent_cpu(agent) == 0 && !cpus[0].off &&
           !cpus[0].in_handler && !memory_in_allocator();
}

static unsigned pending_count(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < vector_count; i++)
        count += vectors[i].pending;
    return count;
}

/* The n-th of those that are pending. */
static struct vector *pending_at(unsigned n)
{
    struct vector *vector = vectors;

    while (!vector->pending || n--)
        vector++;
    return vector;
}

static void take(struct vector *vector)
{
    vector->pending = false;
    history("takes vector %#lx", VECTOR_FIRST + (uint64_t)(vector - vectors));
    store_buffer_drain();
    cpus[0].in_handler = true;
    cpus[0].off = true;
    vector->handler(vector->context);
    /* The handler's return is a serialising instruction. */
    store_buffer_drain();
    cpus[0].off = false;
    cpus[0].in_handler = false;
}

void interrupts_deliver_all(void)
{
    unsigned count;

    while (may_take() && (count = pending_count()))
        take(pending_at(schedule_choose(count)));
}

void machine_deliver_interrupts(void)
{
    unsigned count = may_take() ? pending_count() : 0;

    if (count && schedule_choose(2) == 0)
        take(pending_at(schedule_choose(count)));
}

uint64_t platform_irq_save(void)
{
    unsigned cpu = platform_cpu_id();
    bool was_off = cpus[cpu].off;

    cpus[cpu].off = true;
    return was_off;
}

void platform_irq_restore(uint64_t saved)
{
    cpus[platform_cpu_id()].off = saved;
    interrupts_deliver_all();
}

bool platform_in_interrupt(void)
{
    return cpus[platform_cpu_id()].in_handler;
}
