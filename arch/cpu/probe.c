/* SPDX-License-Identifier: BSD-2-Clause */
/* Which page faults are those of a probe. */
#include "arch/cpu/probe.h"
#include "arch/cpu/interrupt.h"

extern const char probe_read_at[], probe_write_at[], probe_failed[];

bool probe_fixup(struct trap_frame *frame)
{
    if (frame->rip != (uintptr_t)probe_read_at && frame->rip != (uintptr_t)probe_write_at)
        return false;
    frame->rip = (uintptr_t)probe_failed;
    return true;
}
