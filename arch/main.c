/* SPDX-License-Identifier: BSD-2-Clause */
/* The start, in its order: from the loader's hand-over to CPU 0's event loop. */
#include "arch/main.h"
#include "arch/chain.h"
#include "arch/console.h"
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "arch/cpu/panic.h"
#include "arch/cpu/smp.h"
#include "arch/cpu/stack.h"
#include "arch/cpu/tsc.h"
#include "arch/dirty_self_test.h"
#include "arch/platform/acpi.h"
#include "arch/platform/boot_module.h"
#include "arch/platform/ioapic.h"
#include "arch/platform/memory_map.h"
#include "arch/platform/pci.h"
#include "arch/platform/power.h"
#include "arch/version.h"
#include "iommu/iommu.h"
#include "lib/config.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/pt/scan.h"
#include "lib/rcu_pages.h"
#include "lib/units.h"
#include <string.h>

/* Not a panic: the machine, or how it is set up, is not what Lull needs. */
static NORETURN void cannot_run(const char *reason)
{
    log_error("lull: cannot run: %s", reason);
    machine_exit(EXIT_STATUS_CANNOT_RUN);
}

static void set_log_level(const char *config)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char value[CONFIG_VALUE_MAX];

    config_get(config, "log", value, sizeof(value));
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(value, names[i]))
            log_set_console_level((enum log_level)i);
}

/* What lull.cfg says; else what firmware asks for. */
static enum apic_mode apic_mode(const struct boot_info *info, const char *config)
{
    char value[CONFIG_VALUE_MAX];

    config_get(config, "apic", value, sizeof(value));
    if (!strcmp(value, "xapic"))
        return APIC_XAPIC;
    if (!strcmp(value, "x2apic"))
        return APIC_X2APIC;
    if (!info->dmar || !iommu_x2apic_opt_out(phys_to_virt(info->dmar), info->dmar_bytes))
        return APIC_AUTO;
    log_info("apic: xAPIC, since the DMAR table asks for it (X2APIC_OPT_OUT)");
    return APIC_XAPIC;
}

static unsigned cpus_max(const char *config)
{
    char value[CONFIG_VALUE_MAX];
    const char *number = value;
    uint64_t cpus;

    if (!config_get(config, "cpus", value, sizeof(value)) ||
        !config_number(&number, PLATFORM_CPUS_MAX, &cpus))
        return PLATFORM_CPUS_MAX;
    return (unsigned)cpus;
}

static bool is_larger(const struct boot_memory *a, const struct boot_memory *b)
{
    return a->end - a->hpa > b->end - b->hpa;
}

/* The largest range first: small ones could not hold their own descriptors. */
static void add_memory(void)
{
    struct page_alloc_stats stats;
    uint64_t count, left_out = 0;
    const struct boot_memory *map = memory_map(&count);
    const struct boot_memory *largest = NULL;

    for (uint64_t i = 0; i < count; i++)
        if (map[i].type == BOOT_MEMORY_FREE && (!largest || is_larger(&map[i], largest)))
            largest = &map[i];
    if (!largest || page_alloc_add(largest->hpa, largest->end))
        cannot_run("there is no memory that could be used");
    for (uint64_t i = 0; i < count; i++)
        if (map[i].type == BOOT_MEMORY_FREE && &map[i] != largest && page_alloc_add(map[i].hpa, map[i].end))
            left_out += map[i].end - map[i].hpa;
    page_alloc_set_reclaim(rcu_pages_reclaim);
    page_alloc_stats(&stats);
    log_info("memory: %lu MiB free, %lu KiB left out", (unsigned long)(stats.free_pages * PAGE_SIZE / MIB),
             (unsigned long)(left_out / KIB));
}

/* The devices that the value of key lists; devices has room for one more than a value may list. */
static unsigned read_devices(const char *config, const char *key, struct pci_address *devices)
{
    char value[CONFIG_VALUE_MAX];
    const char *text = value;
    unsigned count = 0;

    config_get(config, key, value, sizeof(value));
    for (; config_pci_address(&text, &devices[count]); text += *text == ',')
        count++;
    return count;
}

/* Which of count words the value of a key is; 0 if the key is not there. */
static unsigned read_word(const char *config, const char *key, const char *const *words, unsigned count)
{
    char value[CONFIG_VALUE_MAX];

    if (config_get(config, key, value, sizeof(value)))
        for (unsigned i = 0; i < count; i++)
            if (strcmp(value, words[i]) == 0)
                return i;
    return 0;
}

/* errata has room for a value. */
static struct iommu_config read_iommu_config(const char *config, char *errata)
{
    static struct pci_address trusted[CONFIG_DEVICES_MAX + 1]; /* the driver keeps it, as the next one */
    static struct pci_address ats[CONFIG_DEVICES_MAX + 1];
    static const char *const translations[] = {"auto", "legacy", "second-stage", "first-stage"};
    static const char *const prune[] = {"auto", "on", "off"};
    struct iommu_config iommu = {.x2apic = apic_is_x2apic()};
    char value[CONFIG_VALUE_MAX];
    const char *text = value;
    uint64_t levels;

    iommu.translation = read_word(config, "iommu", translations, ARRAY_SIZE(translations));
    iommu.prune = read_word(config, "prune", prune, ARRAY_SIZE(prune));
    if (config_get(config, "iommu_levels", value, sizeof(value)) && config_number(&text, 5, &levels))
        iommu.levels = (unsigned)levels;
    iommu.trusted_count = read_devices(config, "trust", trusted);
    iommu.trusted = trusted;
    iommu.ats_count = read_devices(config, "ats", ats);
    iommu.ats = ats;
    iommu.no_interrupt_remapping =
        config_get(config, "interrupt_remapping", value, sizeof(value)) && !strcmp(value, "off");
    iommu.no_dirty_self_test =
        config_get(config, "dirty_self_test", value, sizeof(value)) && !strcmp(value, "off");
    iommu.without_reset = config_get(config, "reset", value, sizeof(value)) && !strcmp(value, "none");
    if (config_get(config, "errata_off", errata, CONFIG_VALUE_MAX))
        iommu.errata_off = errata;
    return iommu;
}

/* Devices are kept from memory by bus mastering alone until the units block them. */
static void start_devices(const struct boot_info *info, const struct acpi_info *acpi, const char *config)
{
    char errata[CONFIG_VALUE_MAX];
    struct iommu_config iommu = read_iommu_config(config, errata);
    int error = pci_init(acpi->ecam, acpi->ecam_count);

    /* A function that is not known could not be stopped. */
    if (error)
        cannot_run("not all PCI functions could be found");
    if (!info->dmar)
        cannot_run("the firmware has no DMAR table: VT-d is not there, or switched off in its setup");
    pt_scan_select(cpu_features.avx2 ? PT_SCAN_AVX2 : PT_SCAN_PLAIN);
    log_info("page tables are scanned %s", cpu_features.avx2 ? "by AVX2" : "64 bits at a time");
    error = iommu_init(phys_to_virt(info->dmar), info->dmar_bytes, &iommu);
    if (error)
        cannot_run("VT-d cannot be used; the log above says why");
    dirty_self_test();
}

static void start_cpus(const struct boot_info *info, const struct acpi_madt *madt, const char *config)
{
    uint32_t others[PLATFORM_CPUS_MAX];
    unsigned count = 0;
    int error;

    for (unsigned i = 0; i < madt->count && count + 1 < cpus_max(config); i++)
        if (madt->apic_ids[i] != apic_id_this())
            others[count++] = madt->apic_ids[i];
    error = smp_start(others, count, info->ap_start);
    if (error)
        log_error("cpus: not all were started: %s", error_text(error));
}

void lull_main(const struct boot_info *info)
{
    struct acpi_info acpi;
    const char *config = phys_to_virt(info->config);

    cpu_boot_init(info);
    memory_map_init(info);
    power_init(info);
    chain_init(info);
    panic_set_end(power_end_after_panic);
    set_log_level(config);
    console_open(config);
    log_info("Lull %s", lull_version);
    boot_modules_log(info);

    add_memory();
    stack_guard_boot();
    if (!acpi_init(info, &acpi))
        power_set_acpi(&acpi.power);
    console_open_late(config, &acpi.console);
    tsc_init(acpi.power.pm_timer_port);
    for (unsigned i = 0; i < acpi.madt.io_apic_count; i++)
        ioapic_add(&acpi.madt.io_apics[i]);
    if (apic_init(apic_mode(info, config)))
        cannot_run("the local APIC cannot be used; the log above says why");
    start_devices(info, &acpi, config);
    start_cpus(info, &acpi.madt, config);
    log_info("ready: %u CPUs", cpu_count());
    console_start(config);
    event_loop();
}
