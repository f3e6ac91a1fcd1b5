/* SPDX-License-Identifier: BSD-2-Clause */
/* The call of ResetSystem(), in the address space that the loader made for it. */
#include "arch/platform/firmware.h"
#include "arch/cpu/outside_call.h"
#include "arch/platform/memory_map.h"
#include "lib/log.h"
#include "lib/platform.h"
#include <string.h>

/* UEFI 2.10, sections 4.2 and 4.5: offsets in EFI_RUNTIME_SERVICES. */
#define RUNTIME_SIGNATURE    0x56524553544e5552ull
#define RUNTIME_HEADER_BYTES 12
#define RUNTIME_RESET_SYSTEM 104

static uint64_t read64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* Physical address of the function; 0 (logged) when what the loader handed over does not look like it. */
static uint64_t find_reset_system(uint64_t services)
{
    const uint8_t *table = phys_to_virt(services);
    uint64_t function;

    if (!memory_map_has(BOOT_MEMORY_RUNTIME, services, RUNTIME_RESET_SYSTEM + 8)) {
        log_warn("firmware: runtime services at 0x%lx are not in its memory", (unsigned long)services);
        return 0;
    }
    if (read64(table) != RUNTIME_SIGNATURE ||
        (uint32_t)read64(table + RUNTIME_HEADER_BYTES) < RUNTIME_RESET_SYSTEM + 8) {
        log_warn("firmware: runtime services at 0x%lx have a wrong header", (unsigned long)services);
        return 0;
    }
    function = read64(table + RUNTIME_RESET_SYSTEM);
    if (!memory_map_has(BOOT_MEMORY_RUNTIME, function, 1)) {
        log_warn("firmware: ResetSystem() at 0x%lx is not in its memory", (unsigned long)function);
        return 0;
    }
    return function;
}

void firmware_reset_system(const struct boot_info *info, enum firmware_reset type)
{
    uint64_t function = find_reset_system(info->runtime_services);

    if (!function)
        return;
    /* Real firmware touches registers that its memory map does not list. */
    if (outside_call(function, type, info->runtime_tables))
        log_warn("firmware: ResetSystem() came back");
    else
        log_warn("firmware: ResetSystem() failed");
}
