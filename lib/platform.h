/* SPDX-License-Identifier: BSD-2-Clause */
/* All that iommu/ and lib/ need from the machine they run on. Whoever lifts those folders implements these
 * once: arch/platform.c does so for the hypervisor, tests/host/platform.c for the tests on the host.
 *
 * Unless a function says otherwise it may be called on any CPU, with interrupts on or off, inside or outside
 * an RCU read section. */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CPUs are numbered from 0; platform_cpu_id() is always below this. */
#define PLATFORM_CPUS_MAX 256

/* Virtual address at which physical address 0 of the direct map appears. Set before anything here is used. */
extern uintptr_t platform_direct_map;

static inline void *phys_to_virt(uint64_t hpa)
{
    return (void *)(platform_direct_map + hpa);
}

/* Only for addresses within the direct map: what the page allocator hands out, never a stack or a global. */
static inline uint64_t virt_to_phys(const void *address)
{
    return (uintptr_t)address - platform_direct_map;
}

/* The CPU that this runs on. Stable for as long as an event runs (there are no threads). */
unsigned platform_cpu_id(void);

/* Nanoseconds since some fixed point, never going backwards on one CPU. */
uint64_t platform_time_ns(void);

/* One step of a waiting loop: a pause instruction, or a test's scheduler. */
void platform_relax(void);

/* Disables interrupts on this CPU and returns what platform_irq_restore() takes to undo just that. */
uint64_t platform_irq_save(void);
void platform_irq_restore(uint64_t saved);

/* This CPU is in an interrupt handler. */
bool platform_in_interrupt(void);

/* Interrupts a CPU and returns the address of the instruction that it was at; 0 if it does not say so in
 * time. For reports of what went wrong. Not in an interrupt handler. */
uintptr_t platform_cpu_where(unsigned cpu);

/* Writes the cache lines of [address, address + bytes) back to memory, and orders that before later stores
 * (clflushopt or clwb, then sfence). */
void platform_cache_flush(const void *address, size_t bytes);

/* Maps device registers, uncached; NULL if that cannot be done. There is no unmap. */
volatile void *platform_mmio_map(uint64_t hpa, size_t bytes) MUST_CHECK;
uint32_t platform_mmio_read32(const volatile void *address);
uint64_t platform_mmio_read64(const volatile void *address);
void platform_mmio_write32(volatile void *address, uint32_t value);
void platform_mmio_write64(volatile void *address, uint64_t value);

/* Reserves an interrupt vector that calls handler(context) on one CPU with interrupts off, and returns in
 * *address and *data what a message must carry to raise it that goes through no interrupt remapping: that of
 * a remapping unit itself (VT-d, section 5.1.6). 0, or ERR_NOMEM when no vector is left. The handler opens no
 * RCU read section. */
int platform_msi_alloc(void (*handler)(void *context), void *context, uint64_t *address, uint32_t *data)
    MUST_CHECK;

/* Work for later. All zero but for run before it is posted for the first time; it stays where it is for as
 * long as it is queued. */
struct platform_event {
    void (*run)(struct platform_event *event);
    struct platform_event *next; /* the platform's, as the rest */
    uint64_t due_ns;
    bool queued;
};

/* Runs event->run(event) once as an event on a CPU, not before delay_ns have passed and soon after that:
 * outside interrupt handlers and read sections, where it may wait for hardware. An event that is queued
 * already runs at the earlier of both times; once run() has been called it is free to be posted again. Any
 * context, interrupt handlers too. lib/event_queue.h has what all platforms need for this. */
void platform_event_post(struct platform_event *event, uint64_t delay_ns);

/* PCI configuration space; offset is a multiple of the access's size, below 4096. A function that is not
 * there, and an offset that cannot be reached, read as all ones; writes to them are lost. */
uint32_t platform_pci_read32(struct pci_address function, unsigned offset);
void platform_pci_write32(struct pci_address function, unsigned offset, uint32_t value);
void platform_pci_write16(struct pci_address function, unsigned offset, uint16_t value);

/* True if firmware keeps all of [hpa, last] for itself: it is nobody else's memory, now and later. */
bool platform_memory_is_reserved(uint64_t hpa, uint64_t last);

/* Maps such memory, read and write, as the memory that it is; NULL if it is not, or cannot be mapped. There
 * is no unmap. Not in an interrupt handler. */
void *platform_reserved_map(uint64_t hpa, size_t bytes) MUST_CHECK;

/* True if devices may be given all of [hpa, last]: memory of an owner other than lib/page_alloc.h, who keeps
 * it for as long as it is mapped. iommu_map() asks for each range of which that allocator knows nothing, at
 * every call, so this is cheap; it may be any range below 2^52, and need not be memory at all. */
bool platform_memory_is_for_devices(uint64_t hpa, uint64_t last);

/* Shows text (bytes long, no terminator) to whoever watches the log. Called by lib/log.c under its lock. */
void platform_console_write(const char *text, size_t bytes);

/* Ends the run because the code is wrong; never for what hardware, firmware, a guest or a user did. */
NORETURN void platform_panic(const char *format, ...) PRINTF_LIKE(1, 2);
