/* SPDX-License-Identifier: BSD-2-Clause */
/* Panic: what is known goes straight to the console, what matters most first, and the run ends. */
#include "arch/cpu/panic.h"
#include "arch/cpu/backtrace.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/exception.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/interrupt.h"
#include "arch/cpu/registers.h"
#include "arch/cpu/smp.h"
#include "lib/atomic.h"
#include "lib/log.h"
#include "lib/platform.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FRAMES_MAX     24
#define MESSAGE_MAX    200
#define LAST_LOG_BYTES 2048

#define MC_STATUS_ADDRESS_VALID (1ull << 58)
#define MC_STATUS_VALID         (1ull << 63)

static void (*end_of_run)(void);
static uint32_t panicking; /* atomic: id + 1 of the CPU that came first */

void panic_set_end(void (*end)(void))
{
    end_of_run = end;
}

static void say(const char *format, ...) PRINTF_LIKE(1, 2);

static void say(const char *format, ...)
{
    char line[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    platform_console_write(line, strlen(line));
}

static NORETURN void end(void)
{
    if (end_of_run)
        end_of_run();
    cpu_halt_forever();
}

/* Makes this CPU the one that tells. One that panics while another does waits to be stopped; one that panics
 * while it tells of its own panic ends the run at once. */
static void claim(const char *message)
{
    uint32_t self = cpu_id() + 1;
    uint32_t expected = 0;

    irq_disable();
    if (atomic_compare_exchange(&panicking, &expected, self))
        return;
    if (expected != self)
        cpu_halt_forever();
    /* The same line again would say no more: the third time nothing is tried but the end. */
    if (atomic_exchange(&panicking, self | 1u << 31) == self) {
        say("\npanic: again, while telling of the first: %s\n", message);
        end();
    }
    cpu_halt_forever();
}

static uint64_t control_register(unsigned n)
{
    uint64_t value = 0;

    if (n == 0)
        __asm__ volatile("movq %%cr0, %0" : "=r"(value));
    else if (n == 2)
        __asm__ volatile("movq %%cr2, %0" : "=r"(value));
    else if (n == 3)
        __asm__ volatile("movq %%cr3, %0" : "=r"(value));
    else if (n == 4)
        __asm__ volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}

static void say_registers(const struct trap_frame *f, uint64_t cr2)
{
    say("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    say("  rsi %016lx  rdi %016lx  rbp %016lx  rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    say("  r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    say("  r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    say("  rip %016lx  rflags %lx  cs %lx  ss %lx\n", f->rip, f->rflags, f->cs, f->ss);
    say("  cr0 %lx  cr2 %lx  cr3 %lx  cr4 %lx  efer %lx\n", control_register(0), cr2, control_register(3),
        control_register(4), rdmsr(MSR_EFER));
}

/* SDM volume 3, 16.3.2: each bank of error registers that holds something valid. */
static void say_machine_check(void)
{
    unsigned banks = rdmsr(MSR_MCG_CAP) & 0xff;

    say("machine check: global status %lx\n", rdmsr(MSR_MCG_STATUS));
    for (unsigned i = 0; i < banks; i++) {
        uint64_t status = rdmsr(MSR_MC0_STATUS + 4 * i);

        if (status & MC_STATUS_VALID)
            say("  bank %u: status %016lx, address %lx\n", i, status,
                status & MC_STATUS_ADDRESS_VALID ? rdmsr(MSR_MC0_ADDRESS + 4 * i) : 0);
    }
}

static void say_backtrace(uint64_t rip, uint64_t frame_pointer)
{
    uint64_t addresses[FRAMES_MAX];
    unsigned count = backtrace_walk(frame_pointer, addresses, FRAMES_MAX);
    char name[96];

    say("backtrace:\n");
    backtrace_name(rip, name, sizeof(name));
    say("  %016lx %s\n", rip, name);
    for (unsigned i = 0; i < count; i++) {
        /* The call is before the address that it returns to, which may belong to the next function. */
        backtrace_name(addresses[i] - 1, name, sizeof(name));
        say("  %016lx %s\n", addresses[i], name);
    }
    if (count == FRAMES_MAX)
        say("  ...\n");
}

static void say_other_cpus(unsigned running)
{
    char name[96];

    for (unsigned i = 0; i < cpu_count(); i++) {
        const struct cpu *cpu = cpu_get(i);

        if (atomic_read_acquire(&cpu->state) != CPU_STOPPED)
            continue;
        backtrace_name(cpu->stopped_at->rip, name, sizeof(name));
        say("cpu%u was at %016lx %s\n", i, cpu->stopped_at->rip, name);
    }
    if (running)
        say("%u other CPUs do not stop\n", running);
}

static void say_last_log_lines(void)
{
    static char lines[LAST_LOG_BYTES];
    size_t bytes = log_copy(lines, sizeof(lines));

    say("last lines of the log:\n");
    platform_console_write(lines, bytes);
    say("end of panic\n");
}

/* rip and frame_pointer: where the backtrace starts. frame and cr2: those of an exception, or NULL and 0. */
static NORETURN void tell(const char *message, uint64_t rip, uint64_t frame_pointer,
                          const struct trap_frame *frame, uint64_t cr2)
{
    unsigned running;

    claim(message);
    running = smp_stop_others();
    say("\npanic: cpu%u: %s\n", cpu_id(), message);
    if (frame)
        say_registers(frame, cr2);
    if (frame && frame->vector == VECTOR_MACHINE_CHECK)
        say_machine_check();
    say_backtrace(rip, frame_pointer);
    say_other_cpus(running);
    say_last_log_lines();
    end();
}

void panic(const char *format, ...)
{
    const uint64_t *frame_pointer = __builtin_frame_address(0);
    char message[MESSAGE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    tell(message, (uintptr_t)__builtin_return_address(0), frame_pointer[0], NULL, 0);
}

/* The same, under the name that lib/ and iommu/ know. */
NORETURN void platform_panic(const char *format, ...) __attribute__((alias("panic")));

void panic_exception(const struct trap_frame *frame)
{
    uint64_t cr2 = control_register(2);
    char message[MESSAGE_MAX];

    exception_describe(frame, cr2, message, sizeof(message));
    tell(message, frame->rip, frame->rbp, frame, cr2);
}
