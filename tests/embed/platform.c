/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/platform.h as a small hypervisor has it, on the machine of machine.h. CPUs are threads, and interrupts
 * are taken where a CPU looks for them: these two are not like a real machine. What stands between "guide:"
 * and "guide end" is shown in docs/embedding.md. */
#include "lib/platform.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/event_queue.h"
#include "lib/units.h"
#include "tests/embed/hypervisor.h"
#include "tests/embed/machine.h"
#include <emmintrin.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define VECTOR_FIRST 0x40
#define VECTORS      32

uintptr_t platform_direct_map;

static _Thread_local unsigned this_cpu;
static _Thread_local bool interrupts_off, in_interrupt;
static uint32_t raised; /* bit n: vector VECTOR_FIRST + n has reached CPU 0 (atomic) */
static struct {
    void (*handler)(void *context);
    void *context;
} vectors[VECTORS];

/* --- CPUs, and their interrupts --- */

/* guide: cpu */
unsigned platform_cpu_id(void)
{
    return this_cpu;
}

uint64_t platform_time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

bool platform_in_interrupt(void)
{
    return in_interrupt;
}

uintptr_t platform_cpu_where(unsigned cpu)
{
    (void)cpu;
    return 0; /* we cannot ask another CPU where it is */
}
/* guide end */

void cpu_set(unsigned cpu)
{
    this_cpu = cpu;
}

/* Stands for what a CPU does by itself while interrupts are on. */
static void take_interrupts(void)
{
    uint32_t now = this_cpu == 0 && !interrupts_off && !in_interrupt ? atomic_exchange(&raised, 0u) : 0;

    in_interrupt = in_interrupt || now;
    for (; now; now &= now - 1)
        vectors[__builtin_ctz(now)].handler(vectors[__builtin_ctz(now)].context);
    in_interrupt = false;
}

void cpu_sleep(void)
{
    take_interrupts();
    sched_yield();
}

void platform_relax(void)
{
    take_interrupts();
    sched_yield(); /* a real CPU: _mm_pause() */
}

/* guide: irq */
uint64_t platform_irq_save(void)
{
    bool were_off = interrupts_off; /* a real CPU: pushf, and cli */

    interrupts_off = true;
    return were_off;
}

void platform_irq_restore(uint64_t saved)
{
    interrupts_off = saved;
    take_interrupts();
}
/* guide end */

uint8_t vector_alloc(void (*handler)(void *context), void *context)
{
    for (unsigned i = 0; i < VECTORS; i++)
        if (!vectors[i].handler) {
            vectors[i].context = context;
            vectors[i].handler = handler;
            return (uint8_t)(VECTOR_FIRST + i);
        }
    return 0;
}

void vector_raise(uint64_t address, uint32_t data)
{
    unsigned n = (data & 0xff) - VECTOR_FIRST;

    if (address != 0xfee00000 || n >= VECTORS || !vectors[n].handler)
        platform_panic("an interrupt for nobody: %#lx, %#x", (unsigned long)address, data);
    atomic_fetch_or(&raised, 1u << n);
}

/* guide: msi */
int platform_msi_alloc(void (*handler)(void *context), void *context, uint64_t *address, uint32_t *data)
{
    uint8_t vector = vector_alloc(handler, context);

    if (!vector)
        return ERR_NOMEM;
    *address = 0xfee00000; /* CPU 0, by its APIC id: the hypervisor never takes that one off */
    *data = vector;        /* fixed delivery, edge */
    return 0;
}
/* guide end */

/* guide: event */
void platform_event_post(struct platform_event *event, uint64_t delay_ns)
{
    event_queue_post(event, delay_ns); /* whose loop sleeps for long wakes it here */
}
/* guide end */

/* --- devices --- */

/* guide: flush */
void platform_cache_flush(const void *address, size_t bytes)
{
    uintptr_t end = (uintptr_t)address + bytes;

    for (uintptr_t line = align_down((uintptr_t)address, CACHE_LINE); line < end; line += CACHE_LINE)
        _mm_clflush((const void *)line);
    _mm_sfence();
}
/* guide end */

/* The registers of this machine are functions. A hypervisor maps the range uncached, and goes through a
 * volatile pointer of the width. */
volatile void *platform_mmio_map(uint64_t hpa, size_t bytes)
{
    (void)bytes;
    return hpa == MACHINE_REGISTERS ? (volatile void *)(uintptr_t)hpa : NULL;
}

static unsigned offset_of(const volatile void *address)
{
    return (unsigned)((uintptr_t)address - MACHINE_REGISTERS);
}

uint32_t platform_mmio_read32(const volatile void *address)
{
    return (uint32_t)machine_read(offset_of(address), 4);
}

uint64_t platform_mmio_read64(const volatile void *address)
{
    return machine_read(offset_of(address), 8);
}

void platform_mmio_write32(volatile void *address, uint32_t value)
{
    machine_write(offset_of(address), 4, value);
}

void platform_mmio_write64(volatile void *address, uint64_t value)
{
    machine_write(offset_of(address), 8, value);
}

/* guide: pci */
uint32_t platform_pci_read32(struct pci_address function, unsigned offset)
{
    return machine_pci_read(function.segment, function.bus, function.devfn, offset);
}

void platform_pci_write32(struct pci_address function, unsigned offset, uint32_t value)
{
    machine_pci_write(function.segment, function.bus, function.devfn, offset, 4, value);
}

void platform_pci_write16(struct pci_address function, unsigned offset, uint16_t value)
{
    machine_pci_write(function.segment, function.bus, function.devfn, offset, 2, value);
}
/* guide end */

/* --- memory, and last words --- */

/* guide: memory */
bool platform_memory_is_for_devices(uint64_t hpa, uint64_t last)
{
    return hpa >= GUEST_HPA && last < GUEST_END && hpa <= last; /* our own frame table would be asked here */
}

bool platform_memory_is_reserved(uint64_t hpa, uint64_t last)
{
    (void)hpa;
    (void)last;
    return false; /* firmware's memory map has nothing that is reserved */
}

void *platform_reserved_map(uint64_t hpa, size_t bytes)
{
    (void)hpa;
    (void)bytes;
    return NULL; /* so there is nothing to map either */
}
/* guide end */

/* guide: words */
void platform_console_write(const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, stderr);
}

void platform_panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}
/* guide end */
