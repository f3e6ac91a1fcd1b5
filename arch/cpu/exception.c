/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for an exception: its name, what a page fault wanted, and whether a stack was at its end. */
#include "arch/cpu/exception.h"
#include "arch/cpu/interrupt.h"
#include "arch/cpu/stack.h"
#include <stdio.h>

/* Error code of a page fault: SDM volume 3, 4.7. */
#define FAULT_PRESENT  (1u << 0)
#define FAULT_WRITE    (1u << 1)
#define FAULT_RESERVED (1u << 3)
#define FAULT_FETCH    (1u << 4)

static const char *const names[] = {
    [0] = "divide error",
    [1] = "debug exception",
    [2] = "NMI that nobody asked for",
    [3] = "breakpoint",
    [4] = "overflow",
    [5] = "bound range exceeded",
    [6] = "invalid opcode",
    [7] = "device not available",
    [8] = "double fault",
    [10] = "invalid TSS",
    [11] = "segment not present",
    [12] = "stack-segment fault",
    [13] = "general protection fault",
    [14] = "page fault",
    [16] = "x87 floating-point error",
    [17] = "alignment check",
    [18] = "machine check",
    [19] = "SIMD floating-point exception",
    [20] = "virtualization exception",
    [21] = "control protection exception",
};

static const char *name_of(uint64_t vector)
{
    return vector < sizeof(names) / sizeof(names[0]) && names[vector] ? names[vector] : "reserved exception";
}

static const char *fault_reason(uint64_t error)
{
    if (error & FAULT_RESERVED)
        return "a reserved bit is set in the page tables";
    return error & FAULT_PRESENT ? "not allowed there" : "nothing is mapped there";
}

static const char *fault_access(uint64_t error)
{
    if (error & FAULT_FETCH)
        return "execution";
    return error & FAULT_WRITE ? "write" : "read";
}

/* A push onto the guard page faults, and so does the push of that fault's frame: a double fault, with cr2 in
 * the guard page. */
static int hit_guard(const struct trap_frame *frame, uint64_t cr2)
{
    if (frame->vector != VECTOR_PAGE_FAULT && frame->vector != VECTOR_DOUBLE_FAULT)
        return 0;
    return stack_is_guard(cr2) || stack_is_guard(frame->rsp);
}

void exception_describe(const struct trap_frame *frame, uint64_t cr2, char *text, size_t bytes)
{
    if (hit_guard(frame, cr2))
        (void)snprintf(text, bytes, "stack overflow: %s, rsp 0x%lx, guard page hit at 0x%lx",
                       name_of(frame->vector), (unsigned long)frame->rsp, (unsigned long)cr2);
    else if (frame->vector == VECTOR_PAGE_FAULT)
        (void)snprintf(text, bytes, "page fault: %s at 0x%lx, %s", fault_access(frame->error),
                       (unsigned long)cr2, fault_reason(frame->error));
    else
        (void)snprintf(text, bytes, "%s (vector %lu, error code 0x%lx)", name_of(frame->vector),
                       (unsigned long)frame->vector, (unsigned long)frame->error);
}
