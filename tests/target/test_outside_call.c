/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of code that is not Lull's, and the firmware's memory in the direct map. */
#include "arch/cpu/instructions.h"
#include "arch/cpu/outside_call.h"
#include "arch/cpu/paging.h"
#include "arch/cpu/probe.h"
#include "arch/platform/memory_map.h"
#include "lib/platform.h"
#include "lib/tap.h"

#define NOT_MAPPED 0x8000u

static uint64_t called_with;

static __attribute__((ms_abi)) void remember(uint64_t argument)
{
    called_with = argument;
}

TEST(outside_call_returns)
{
    uint64_t saved = irq_save();
    bool returned = outside_call((uintptr_t)remember, 42, paging_root());

    irq_restore(saved);
    tap_ok(returned && called_with == 42, "the function is called with its argument (%lu)",
           (unsigned long)called_with);
}

/* As firmware does when it uses what its memory map does not list. */
TEST(outside_call_fails)
{
    unsigned failed = 0;

    for (unsigned i = 0; i < 2; i++) {
        uint64_t saved = irq_save();

        failed += !outside_call(NOT_MAPPED, 0, paging_root());
        irq_restore(saved);
    }
    tap_ok(failed == 2, "a page fault there ends the call, and the next one (%u)", failed);
}

TEST(firmware_memory)
{
    uint64_t count;
    const struct boot_memory *map = memory_map(&count);
    unsigned found = 0, written = 0;

    for (uint64_t i = 0; i < count; i++) {
        if (map[i].type != BOOT_MEMORY_RUNTIME && map[i].type != BOOT_MEMORY_ACPI)
            continue;
        found += probe_read(phys_to_virt(map[i].hpa));
        written += probe_write(phys_to_virt(map[i].hpa));
    }
    tap_ok(found > 0 && written == 0, "firmware's memory can be read, not written (%u parts, %u written)",
           found, written);
}
