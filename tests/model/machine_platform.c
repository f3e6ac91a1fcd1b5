/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/platform.h as the model has it, but for interrupts. */
#include "lib/event_queue.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/device.h"
#include "tests/model/history.h"
#include "tests/model/machine.h"
#include "tests/model/machine_interrupts.h"
#include "tests/model/memory.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Lines of the log are texts of the history for as long as they are among so many newest. */
#define LOG_LINES 64
#define LOG_BYTES 160

#define RESERVED_MAX 8

static uint64_t reserved[RESERVED_MAX][2]; /* first and last address of each range */
static unsigned reserved_count;
static char log_lines[LOG_LINES][LOG_BYTES];
static unsigned log_next;

uint64_t platform_time_ns(void)
{
    return schedule_time_ns();
}

void platform_relax(void)
{
    unsigned paused = memory_allocator_pause();

    interrupts_deliver_all();
    schedule_relax();
    memory_allocator_resume(paused);
}

uintptr_t platform_cpu_where(unsigned cpu)
{
    (void)cpu;
    return 0;
}

static void step(enum point kind, const volatile void *address)
{
    if (memory_in_allocator())
        return;
    schedule_point(kind, address);
    machine_deliver_interrupts();
}

void platform_cache_flush(const void *address, size_t bytes)
{
    step(POINT_FLUSH, address);
    memory_flush(address, bytes);
}

/* Registers appear in the direct map, where the host has no memory: a plain access ends the program. */
volatile void *platform_mmio_map(uint64_t hpa, size_t bytes)
{
    uint64_t offset = hpa - UNIT_BASE;

    if (offset / UNIT_STRIDE >= machine_unit_count() || offset % UNIT_STRIDE + bytes > UNIT_STRIDE)
        return NULL;
    return phys_to_virt(hpa);
}

/* The unit whose registers have the address, and the offset there. */
static struct unit *find_unit(const volatile void *address, unsigned width, unsigned *offset)
{
    uint64_t hpa = (uintptr_t)address - platform_direct_map;
    uint64_t from_base = hpa - UNIT_BASE;

    step(POINT_MMIO, address);
    if (from_base / UNIT_STRIDE >= machine_unit_count())
        violation(VIOLATION_REGISTER, "%s accesses a register at %#" PRIx64 ", where no unit is",
                  agent_name(agent_current()), hpa);
    *offset = (unsigned)(from_base % UNIT_STRIDE);
    if (*offset % width)
        violation(VIOLATION_REGISTER, "%s accesses %u bytes of registers at %#x, not aligned",
                  agent_name(agent_current()), width, *offset);
    return machine_unit((unsigned)(from_base / UNIT_STRIDE));
}

static uint64_t mmio_read(const volatile void *address, unsigned width)
{
    unsigned offset;
    struct unit *unit = find_unit(address, width, &offset);

    return unit_register_read(unit, offset, width);
}

static void mmio_write(const volatile void *address, unsigned width, uint64_t value)
{
    unsigned offset;
    struct unit *unit = find_unit(address, width, &offset);

    unit_register_write(unit, offset, width, value);
}

uint32_t platform_mmio_read32(const volatile void *address)
{
    return (uint32_t)mmio_read(address, 4);
}

uint64_t platform_mmio_read64(const volatile void *address)
{
    return mmio_read(address, 8);
}

void platform_mmio_write32(volatile void *address, uint32_t value)
{
    mmio_write(address, 4, value);
}

void platform_mmio_write64(volatile void *address, uint64_t value)
{
    mmio_write(address, 8, value);
}

void platform_event_post(struct platform_event *event, uint64_t delay_ns)
{
    event_queue_post(event, delay_ns);
}

void machine_reserve(uint64_t hpa, uint64_t last)
{
    expect(reserved_count < RESERVED_MAX);
    reserved[reserved_count][0] = hpa;
    reserved[reserved_count++][1] = last;
}

bool platform_memory_is_reserved(uint64_t hpa, uint64_t last)
{
    for (unsigned i = 0; i < reserved_count; i++)
        if (hpa >= reserved[i][0] && last <= reserved[i][1] && hpa <= last)
            return true;
    return false;
}

/* There is no such memory. */
bool platform_memory_is_for_devices(uint64_t hpa, uint64_t last)
{
    (void)hpa;
    (void)last;
    return false;
}

void *platform_reserved_map(uint64_t hpa, size_t bytes)
{
    return bytes && platform_memory_is_reserved(hpa, hpa + bytes - 1) ? phys_to_virt(hpa) : NULL;
}

void platform_console_write(const char *text, size_t bytes)
{
    char *line = log_lines[log_next++ % LOG_LINES];

    while (bytes && text[bytes - 1] == '\n')
        bytes--;
    snprintf(line, LOG_BYTES, "%.*s", (int)bytes, text);
    history("log: %s", history_text(line));
}

void platform_panic(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    violation(VIOLATION_PANIC, "%s", text);
}
