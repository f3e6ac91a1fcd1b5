/* SPDX-License-Identifier: BSD-2-Clause */
/* What each PCI function can do, as a table and as JSON. */
#include "iommu/devices_print.h"
#include "iommu/capabilities.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/pci.h"
#include <stdio.h>

#define ADDRESS_MAX sizeof "0000:00:00.0"

static void print_reason(const char *what, const char *why)
{
    if (why)
        printf("    %s: %s\n", what, why);
}

static const char *ats_state(const struct iommu_device_capabilities *can)
{
    return can->ats ? "on" : can->has_ats ? "off" : "none";
}

static void print_device(struct pci_address device, int error, const struct iommu_device_capabilities *can)
{
    if (error) {
        printf(PCI_FORMAT "  %s\n", PCI_ARGS(device), error_text(error));
        return;
    }
    printf(PCI_FORMAT "  vtd%-4u %-6s %7u  %-10s  %s\n", PCI_ARGS(device), can->unit,
           can->attaches ? "yes" : "no", (unsigned)can->pasids,
           can->remaps_interrupts ? "remapped" : "as sent", ats_state(can));
    print_reason("not attached", can->why_not_attached);
    print_reason("interrupts", can->why_no_remapping);
    if (can->has_ats)
        print_reason("no ATS", can->why_no_ats);
}

static void for_each_device(void (*call)(struct pci_address device, int error,
                                         const struct iommu_device_capabilities *can))
{
    for (unsigned n = 0; pci_function(n); n++) {
        struct iommu_device_capabilities can;
        int error = iommu_device_capabilities(pci_function(n)->address, &can);

        call(pci_function(n)->address, error, &can);
    }
}

void iommu_devices_print(void)
{
    printf("function      unit    attach  PASIDs  interrupts  ATS\n");
    for_each_device(print_device);
}

/* Where the answer is yes there is no reason. */
static void add_reason(struct json *json, const char *name, const char *why)
{
    if (why)
        json_text(json, name, why);
}

static void add_capabilities(struct json *json, const struct iommu_device_capabilities *can)
{
    json_number(json, "unit", can->unit);
    json_bool(json, "attaches", can->attaches);
    add_reason(json, "why_not_attached", can->why_not_attached);
    json_bool(json, "passes_through", can->passes_through);
    json_number(json, "pasids", can->pasids);
    json_bool(json, "snoops", can->snoops);
    json_bool(json, "remaps_interrupts", can->remaps_interrupts);
    add_reason(json, "why_no_remapping", can->why_no_remapping);
    json_number(json, "apic_id_max", can->apic_id_max);
    json_bool(json, "has_ats", can->has_ats);
    json_bool(json, "ats", can->ats);
    add_reason(json, "why_no_ats", can->why_no_ats);
}

static void print_device_json(struct pci_address device, int error,
                              const struct iommu_device_capabilities *can)
{
    char address[ADDRESS_MAX];
    struct json json;

    snprintf(address, sizeof address, PCI_FORMAT, PCI_ARGS(device));
    json_begin(&json);
    json_text(&json, "device", address);
    if (error)
        json_text(&json, "error", error_text(error));
    else
        add_capabilities(&json, can);
    json_print(&json);
}

void iommu_devices_print_json(void)
{
    for_each_device(print_device_json);
}
