/* SPDX-License-Identifier: BSD-2-Clause */
/* Which exceptions are those of outside code. */
#include "arch/cpu/outside_call.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/interrupt.h"
#include "lib/log.h"
#include "linker/symbols.h"

#define RFLAGS_CLEAR 2u /* bit 1 is always set; no interrupts, strings upwards */

/* In outside_enter.S. Sets *stack to what the stack pointer must be at outside_failed. */
bool outside_enter(uint64_t function, uint64_t argument, uint64_t root, uint64_t *stack);
extern const char outside_failed[];

bool outside_call(uint64_t function, uint64_t argument, uint64_t root)
{
    struct cpu *cpu = cpu_this();
    bool returned = outside_enter(function, argument, root, &cpu->outside_stack);

    cpu->outside_stack = 0;
    return returned;
}

/* A fault of our own code, a handler's for one, is a panic as ever, and so is what comes at any instruction.
 */
bool outside_call_fixup(struct trap_frame *frame)
{
    uint64_t stack = cpu_this()->outside_stack;

    if (!stack || frame->vector == VECTOR_NMI || frame->vector == VECTOR_DOUBLE_FAULT ||
        frame->vector == VECTOR_MACHINE_CHECK ||
        frame->rip - (uintptr_t)image_start < (uintptr_t)(image_end - image_start))
        return false;
    log_warn("cpu: code outside Lull, at 0x%lx: exception %lu, error code 0x%lx", (unsigned long)frame->rip,
             (unsigned long)frame->vector, (unsigned long)frame->error);
    frame->rip = (uintptr_t)outside_failed;
    frame->rsp = stack;
    frame->rflags = RFLAGS_CLEAR;
    return true;
}
