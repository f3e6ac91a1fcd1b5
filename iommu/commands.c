/* SPDX-License-Identifier: BSD-2-Clause */
/* Console commands about units, domains and faults. */
#include "iommu/devices_print.h"
#include "iommu/iommu.h"
#include "iommu/stats_print.h"
#include "iommu/vtd/errata.h"
#include "iommu/vtd/vtd.h"
#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/shell.h"
#include "lib/units.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_interrupts(const struct vtd_interrupts *interrupts)
{
    printf("      interrupt remapping ");
    if (interrupts->on)
        printf("on, %s mode; %u of %u entries in use, %u lost\n", interrupts->extended ? "x2APIC" : "xAPIC",
               interrupts->table.used, VTD_IRT_ENTRIES, interrupts->table.lost);
    else
        printf("off%s%s\n", interrupts->why_not ? ": " : "", interrupts->why_not ? interrupts->why_not : "");
}

static void print_self_test(const struct iommu_self_test *self_test)
{
    char text[IOMMU_SELF_TEST_TEXT];

    iommu_self_test_text(self_test, text, sizeof text);
    printf("      accessed/dirty self-test %s\n", text);
}

static void print_unit(struct vtd_unit *unit)
{
    const struct vtd_cap *cap = &unit->cap;
    struct iommu_queue_stats queue;
    const char *name;

    vtd_queue_stats(&unit->queue, &queue);
    printf("vtd%u  %#" PRIx64 "  version %u.%u  segment %04x  %s%s\n", unit->index, unit->drhd->registers,
           cap->version_major, cap->version_minor, unit->drhd->segment,
           unit->on ? unit->scalable ? "scalable mode" : "legacy mode" : "off",
           unit->drhd->include_all ? "  all other devices" : "");
    printf("      CAP %016" PRIx64 "  ECAP %016" PRIx64 "\n     ", cap->cap, cap->ecap);
    for (unsigned n = 0; (name = vtd_cap_name(cap, n)); n++)
        printf(" %s", name);
    printf("\n      %u domain ids, %u-bit addresses, ranges up to 2^%u pages, %u fault registers\n",
           cap->domain_ids, cap->guest_width_lg2, cap->mask_max, cap->fault_count);
    printf("      tables %s, page walks %s; %" PRIu64 " queue errors, %" PRIu64 " fault overflows\n",
           cap->coherent_tables ? "coherent" : "flushed to memory",
           cap->coherent_walks ? "coherent" : "flushed to memory", queue.iqe + queue.ite + queue.ice,
           unit->fault_overflows);
    print_interrupts(&unit->interrupts);
    print_self_test(&unit->self_test);
}

static bool asks_for(const char *what, int argc, char **argv)
{
    return argc == 2 && !strcmp(argv[1], what);
}

static int command_iommu(int argc, char **argv)
{
    const char *name;

    if (asks_for("stats", argc, argv)) {
        iommu_stats_print();
        return 0;
    }
    if (asks_for("devices", argc, argv)) {
        iommu_devices_print();
        return 0;
    }
    if (argc != 1)
        return ERR_INVALID;
    if (!vtd_unit_count()) {
        printf("no unit\n");
        return 0;
    }
    for (unsigned i = 0; i < vtd_unit_count(); i++)
        print_unit(vtd_unit(i));
    printf("DMAR of \"%s\" \"%s\": %u-bit host addresses, %u RMRRs%s%s", vtd_dmar()->table.oem_id,
           vtd_dmar()->table.oem_table_id, vtd_dmar()->table.host_width_lg2, vtd_dmar()->reserved_count,
           vtd_dmar()->interrupt_remapping ? ", interrupt remapping" : "",
           vtd_dmar()->x2apic_opt_out ? ", x2APIC opted out" : "");
    printf("\ndomains: %s, %u levels, %u bits\n", vtd_stage_name(vtd_stage()), vtd_stage_levels(vtd_stage()),
           vtd_stage_width(vtd_stage()));
    printf("dirty pages: %s\n", vtd_stage_limits(vtd_stage())->keeps_dirty
                                    ? "can be tracked"
                                    : vtd_stage_limits(vtd_stage())->why_not_dirty);
    for (unsigned n = 0; (name = vtd_errata_name(vtd_errata(), n)); n++)
        printf("erratum %s (%s)\n", name, vtd_errata_source(vtd_errata(), n));
    return 0;
}

/* What units can do is for people. */
static int command_iommu_json(int argc, char **argv)
{
    if (asks_for("stats", argc, argv))
        iommu_stats_print_json();
    else if (asks_for("devices", argc, argv))
        iommu_devices_print_json();
    else
        return ERR_UNSUPPORTED;
    return 0;
}

#define LISTED_MAX 32

/* What is listed is copied under the lists' locks and printed after that: a console is slow. */
struct domain_list {
    struct iommu_domain *domains[LISTED_MAX]; /* only compared */
    struct iommu_domain_info infos[LISTED_MAX];
    unsigned count;
};

struct device_list {
    struct pci_address devices[LISTED_MAX];
    uint32_t pasids[LISTED_MAX];
    unsigned count;
};

static void list_domain(void *context, struct iommu_domain *domain)
{
    struct domain_list *list = context;

    if (list->count < LISTED_MAX) {
        list->domains[list->count] = domain;
        iommu_domain_info(domain, &list->infos[list->count]);
    }
    list->count++;
}

static void list_device(void *context, struct pci_address device, uint32_t pasid)
{
    struct device_list *list = context;

    if (list->count < LISTED_MAX) {
        list->devices[list->count] = device;
        list->pasids[list->count] = pasid;
    }
    list->count++;
}

static void print_devices(struct iommu_domain *domain)
{
    struct device_list list = {.count = 0};

    iommu_devices_visit(domain, list_device, &list);
    for (unsigned i = 0; i < list.count && i < LISTED_MAX; i++) {
        printf("    " PCI_FORMAT, PCI_ARGS(list.devices[i]));
        if (list.pasids[i] != IOMMU_NO_PASID)
            printf(" PASID %u", list.pasids[i]);
        printf("%s%s\n", iommu_device_has_ats(list.devices[i]) ? "  ATS" : "",
               iommu_device_is_cut_off(list.devices[i]) ? "  cut off" : "");
    }
    if (list.count > LISTED_MAX)
        printf("    and %u more\n", list.count - LISTED_MAX);
}

static int release(const char *name)
{
    struct iommu_domain *domain = iommu_domain_find(name);

    if (!domain) {
        printf("no domain is called \"%s\"\n", name);
        return ERR_NOT_FOUND;
    }
    return iommu_domain_release_quarantine(domain);
}

static void print_tracking(const struct iommu_domain_info *info)
{
    switch (info->tracking) {
    case IOMMU_TRACKING_OFF:
        printf("%s%s\n", info->tracks_dirty ? "not tracked" : "cannot be tracked: ",
               info->tracks_dirty ? "" : info->why_not_dirty);
        break;
    case IOMMU_TRACKING_ALL_WRITABLE:
        printf("tracked: all that is writable counts as written\n");
        break;
    default:
        printf("tracked, %spruned%s%s\n", info->prunes ? "" : "not ",
               info->prunes ? info->audits ? " and audited" : "" : ": ",
               info->prunes ? "" : info->why_not_prunes);
    }
}

static int command_domains(int argc, char **argv)
{
    struct domain_list list = {.count = 0};

    if (argc == 3 && !strcmp(argv[1], "release"))
        return release(argv[2]);
    if (argc != 1)
        return ERR_INVALID;
    iommu_domains_visit(list_domain, &list);
    printf("%-15s %5s  %-8s %6s %5s %8s %8s %10s %12s  %s\n", "name", "id", "format", "levels", "bits",
           "devices", "tables", "freed", "quarantined", "dirty pages");
    for (unsigned i = 0; i < list.count && i < LISTED_MAX; i++) {
        const struct iommu_domain_info *info = &list.infos[i];

        printf("%-15s %5u  %-8s %6u %5" PRIu64 " %8u %8" PRIu64 " %10" PRIu64 " %12" PRIu64 "  ", info->name,
               info->id, info->format, info->levels, info->address_lg2, info->devices, info->tables,
               info->tables_freed, info->quarantined);
        print_tracking(info);
        print_devices(list.domains[i]);
    }
    if (list.count > LISTED_MAX)
        printf("and %u more\n", list.count - LISTED_MAX);
    return 0;
}

SHELL_COMMAND_JSON("iommu", "[stats|devices [--json]]",
                   "remapping units; what they and domains have done so far; what devices can do",
                   command_iommu, command_iommu_json);
SHELL_COMMAND("domains", "[release DOMAIN]",
              "domains and the devices in them; tries again what units did not confirm", command_domains);
