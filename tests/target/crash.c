/* SPDX-License-Identifier: BSD-2-Clause */
/* The command that ends the run by a panic of a chosen kind: for tests of what a panic shows. */
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "arch/cpu/interrupt.h"
#include "arch/cpu/layout.h"
#include "arch/cpu/panic.h"
#include "arch/cpu/tsc.h"
#include "lib/error.h"
#include "lib/shell.h"
#include "lib/units.h"
#include <string.h>

/* One second, which the run does not live to see. */
static void wait_for_the_end(void)
{
    uint64_t end = tsc_ns() + NS_PER_S;

    while (tsc_ns() < end)
        event_step();
}

/* Endless, in a way that no compiler turns into a loop. */
static __attribute__((noinline)) unsigned overflow_stack(unsigned depth)
{
    volatile char space[512];

    space[depth % sizeof(space)] = (char)depth;
    return depth == ~0u ? 0 : overflow_stack(depth + 1) + (unsigned)space[depth % 7];
}

static void panic_in_interrupt(void *context)
{
    panic("in the handler of vector 0x%02x", *(uint8_t *)context);
}

static void crash_in_interrupt(void)
{
    static uint8_t vector;

    if (interrupt_alloc(panic_in_interrupt, &vector, &vector) == 0)
        apic_send_ipi(cpu_id(), vector);
    wait_for_the_end();
}

static void crash(const char *how)
{
    if (!strcmp(how, "stack"))
        overflow_stack(0);
    else if (!strcmp(how, "fault"))
        *(volatile char *)MMIO_BASE = 1;
    else if (!strcmp(how, "execute"))
        ((void (*)(void))(uintptr_t)cpu_this())();
    else if (!strcmp(how, "opcode"))
        __asm__ volatile("ud2");
    else if (!strcmp(how, "nmi"))
        apic_send_nmi(cpu_id());
    else if (!strcmp(how, "interrupt"))
        crash_in_interrupt();
    else
        panic("on request");
}

static char crash_how[16];

static void crash_there(struct work *work)
{
    (void)work;
    crash(crash_how);
}

static int crash_command(int argc, char **argv)
{
    static struct work work = {.run = crash_there};
    static const char *const ways[] = {"panic", "stack", "fault", "execute", "opcode", "nmi", "interrupt"};

    for (unsigned i = 0; argc == 2 && i < ARRAY_SIZE(ways); i++) {
        if (strcmp(argv[1], ways[i]))
            continue;
        strcpy(crash_how, ways[i]);
        event_post(cpu_count() - 1, &work);
        wait_for_the_end();
        return ERR_TIMEOUT;
    }
    return ERR_INVALID;
}

SHELL_COMMAND("crash", "panic|stack|fault|execute|opcode|nmi|interrupt",
              "ends the run by a panic on the last CPU", crash_command);
