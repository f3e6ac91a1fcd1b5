/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/platform.h for the hypervisor: what iommu/ and lib/ need, from the machine. platform_panic() is in
 * arch/cpu/panic.c. */
#include "lib/platform.h"
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/interrupt.h"
#include "arch/cpu/layout.h"
#include "arch/cpu/paging.h"
#include "arch/cpu/tsc.h"
#include "arch/cpu/where.h"
#include "arch/platform/memory_map.h"
#include "arch/platform/serial.h"
#include "lib/log.h"
#include "lib/units.h"

uintptr_t platform_direct_map = DIRECT_MAP_BASE;

unsigned platform_cpu_id(void)
{
    return cpu_id();
}

uint64_t platform_time_ns(void)
{
    return tsc_ns();
}

void platform_relax(void)
{
    cpu_pause();
}

uint64_t platform_irq_save(void)
{
    return irq_save();
}

void platform_irq_restore(uint64_t saved)
{
    irq_restore(saved);
}

bool platform_in_interrupt(void)
{
    return cpu_this()->in_interrupt;
}

uintptr_t platform_cpu_where(unsigned cpu)
{
    return cpu_where(cpu);
}

void platform_cache_flush(const void *address, size_t bytes)
{
    uintptr_t line = align_down((uintptr_t)address, cpu_features.clflush_bytes);
    uintptr_t end = (uintptr_t)address + bytes;

    for (; line < end; line += cpu_features.clflush_bytes) {
        if (cpu_features.clwb)
            __asm__ volatile("clwb (%0)" ::"r"(line) : "memory");
        else if (cpu_features.clflushopt)
            __asm__ volatile("clflushopt (%0)" ::"r"(line) : "memory");
        else
            __asm__ volatile("clflush (%0)" ::"r"(line) : "memory");
    }
    /* Orders the write-backs before later stores: of entries that link what was flushed, of a unit's
     * registers. */
    __asm__ volatile("sfence" ::: "memory");
}

volatile void *platform_mmio_map(uint64_t hpa, size_t bytes)
{
    if (memory_map_is_memory(hpa, bytes)) {
        log_error("registers at 0x%lx lie over memory", (unsigned long)hpa);
        return NULL;
    }
    return paging_map_mmio(hpa, bytes);
}

uint32_t platform_mmio_read32(const volatile void *address)
{
    return *(const volatile uint32_t *)address;
}

uint64_t platform_mmio_read64(const volatile void *address)
{
    return *(const volatile uint64_t *)address;
}

void platform_mmio_write32(volatile void *address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

void platform_mmio_write64(volatile void *address, uint64_t value)
{
    *(volatile uint64_t *)address = value;
}

/* CPU 0 takes the units' interrupts: it runs as long as the machine does. */
int platform_msi_alloc(void (*handler)(void *context), void *context, uint64_t *address, uint32_t *data)
{
    uint8_t vector;
    int error = interrupt_alloc(handler, context, &vector);

    if (!error)
        interrupt_msi(0, vector, address, data);
    return error;
}

bool platform_memory_is_reserved(uint64_t hpa, uint64_t last)
{
    return memory_map_has(BOOT_MEMORY_RESERVED, hpa, last - hpa + 1);
}

void *platform_reserved_map(uint64_t hpa, size_t bytes)
{
    return bytes && platform_memory_is_reserved(hpa, hpa + bytes - 1) ? paging_map_reserved(hpa, bytes)
                                                                      : NULL;
}

/* All that a device may reach comes from the page allocator. */
bool platform_memory_is_for_devices(uint64_t hpa, uint64_t last)
{
    (void)hpa;
    (void)last;
    return false;
}

void platform_console_write(const char *text, size_t bytes)
{
    serial_write(text, bytes);
}
