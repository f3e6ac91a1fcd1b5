/* SPDX-License-Identifier: BSD-2-Clause */
/* The console's commands about the machine, its end, and its tests. */
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/tsc.h"
#include "arch/platform/memory_map.h"
#include "arch/platform/power.h"
#include "arch/version.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/shell.h"
#include "lib/tap.h"
#include "lib/units.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MAX 65536u

static int command_version(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    printf("Lull %s\n", lull_version);
    return 0;
}

SHELL_COMMAND("version", "", "which build this is", command_version);

static const char *yes_no(bool value)
{
    return value ? "yes" : "no";
}

static int command_cpus(int argc, char **argv)
{
    const struct cpu_features *f = &cpu_features;

    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    printf("cpu  apic id  name\n");
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        printf("%3u  %7u  %s\n", cpu, (unsigned)cpu_apic_id(cpu), cpu_brand(cpu));
    printf("local APIC %s; TSC %lu.%03lu MHz by %s, invariant %s\n", apic_is_x2apic() ? "x2APIC" : "xAPIC",
           (unsigned long)(tsc_hz() / 1000000), (unsigned long)(tsc_hz() / 1000 % 1000), tsc_source(),
           yes_no(f->invariant_tsc));
    printf("SMEP %s, SMAP %s, UMIP %s, 1 GiB pages %s, five levels %s, %u physical address bits\n",
           yes_no(f->smep), yes_no(f->smap), yes_no(f->umip), yes_no(f->gib_pages), yes_no(f->la57),
           (unsigned)f->physical_bits);
    return 0;
}

SHELL_COMMAND("cpus", "", "CPUs and what they can do", command_cpus);

static uint64_t mib(uint64_t pages)
{
    return pages * PAGE_SIZE / MIB;
}

static int command_mem(int argc, char **argv)
{
    struct page_alloc_stats stats;
    uint64_t count, high = 0;
    const struct boot_memory *map = memory_map(&count);

    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = map[i].hpa > 4 * GIB ? map[i].hpa : 4 * GIB;

        printf("0x%012lx to 0x%012lx  %9lu KiB  %s\n", (unsigned long)map[i].hpa,
               (unsigned long)map[i].end - 1, (unsigned long)((map[i].end - map[i].hpa) / KIB),
               memory_type_name(map[i].type));
        if (map[i].type == BOOT_MEMORY_FREE && map[i].end > start)
            high += map[i].end - start;
    }
    page_alloc_stats(&stats);
    printf("%lu MiB in the allocator (%lu MiB above 4 GiB), %lu MiB free, %lu MiB for DMA\n",
           (unsigned long)mib(stats.total_pages), (unsigned long)(high / MIB),
           (unsigned long)mib(stats.free_pages), (unsigned long)mib(stats.dma_pages));
    return 0;
}

SHELL_COMMAND("mem", "", "memory map and allocator", command_mem);

static int command_log(int argc, char **argv)
{
    char *text;
    size_t bytes;

    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    text = malloc(LOG_MAX);
    if (!text)
        return ERR_NOMEM;
    bytes = log_copy(text, LOG_MAX);
    platform_console_write(text, bytes);
    free(text);
    return 0;
}

SHELL_COMMAND("log", "", "all that the log still holds, debug lines too", command_log);

static int command_test(int argc, char **argv)
{
    int failed;

    if (argc > 2)
        return ERR_INVALID;
    failed = tap_run(argc == 2 ? argv[1] : "*");
    return failed > 0 ? ERR_HARDWARE : failed;
}

SHELL_COMMAND("test", "[GLOB]", "run the tests whose names match, as TAP", command_test);

static int command_reboot(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    log_info("rebooting");
    machine_reboot();
}

SHELL_COMMAND("reboot", "", "start the machine anew", command_reboot);

static int command_poweroff(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    log_info("powering off");
    machine_power_off();
}

SHELL_COMMAND("poweroff", "", "switch the machine off", command_poweroff);
