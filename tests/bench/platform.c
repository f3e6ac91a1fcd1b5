/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/platform.h as somebody writes it who takes RCU and page tables into a program with threads. */
#include "lib/platform.h"
#include "tests/bench/bench.h"
#include "tests/bench/platform.h"
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* So many pauses before a waiting thread lets others run: as many as liburcu makes before it sleeps. */
#define PAUSES_A_YIELD 100

uintptr_t platform_direct_map;

static _Thread_local unsigned this_cpu;
static _Thread_local unsigned pauses;

void bench_platform_set_cpu(unsigned cpu)
{
    this_cpu = cpu;
}

unsigned platform_cpu_id(void)
{
    return this_cpu;
}

uint64_t platform_time_ns(void)
{
    return bench_now_ns();
}

void platform_relax(void)
{
    if (++pauses % PAUSES_A_YIELD)
        __builtin_ia32_pause();
    else
        sched_yield();
}

uint64_t platform_irq_save(void)
{
    return 0;
}

void platform_irq_restore(uint64_t saved)
{
    (void)saved;
}

uintptr_t platform_cpu_where(unsigned cpu)
{
    (void)cpu;
    return 0;
}

void platform_console_write(const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, stderr);
}

bool platform_in_interrupt(void)
{
    return false;
}

/* All walks snoop. */
void platform_cache_flush(const void *address, size_t bytes)
{
    (void)address;
    (void)bytes;
}

void platform_panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}
