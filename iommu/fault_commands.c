/* SPDX-License-Identifier: BSD-2-Clause */
/* The console command about faults: of each device, of each unit, and the newest. */
#include "iommu/iommu.h"
#include "iommu/vtd/vtd.h"
#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/shell.h"
#include "lib/units.h"
#include <inttypes.h>
#include <stdio.h>

#define SHOWN_MAX 16

static const char *device_name(const struct iommu_fault_device *device, char *text, size_t bytes)
{
    if (device->others)
        return "others";
    snprintf(text, bytes, PCI_FORMAT, PCI_ARGS(device->device));
    return text;
}

static const char *domain_name(const struct iommu_fault *fault)
{
    return fault->domain_number ? fault->domain : "-";
}

static void print_device(const struct iommu_fault_device *device)
{
    char name[32];

    printf("%-12s  %-15s %10" PRIu64 " %12" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "  %#04x %s\n",
           device_name(device, name, sizeof name), domain_name(&device->newest), device->faults,
           device->skipped, device->reads, device->writes, device->interrupts, device->newest.reason,
           device->newest.text);
}

static void print_units(void)
{
    for (unsigned i = 0; i < vtd_unit_count(); i++) {
        const struct vtd_unit *unit = vtd_unit(i);

        if (unit->fault_overflows || unit->fault_storms)
            printf("vtd%u: %" PRIu64 " overflows in %" PRIu64 " bursts, %" PRIu64
                   " storms%s, devices muted %" PRIu64 " times\n",
                   i, unit->fault_overflows, unit->fault_overflow_bursts, unit->fault_storms,
                   unit->fault_masked ? ", one now" : "", unit->fault_mutes);
    }
}

static void print_newest(void)
{
    struct iommu_fault faults[SHOWN_MAX];
    unsigned count = iommu_faults(faults, ARRAY_SIZE(faults));
    char text[192];

    for (unsigned i = 0; i < count; i++) {
        iommu_fault_text(&faults[i], text, sizeof text);
        printf("%6llu.%06llu  %s\n", faults[i].time_ns / NS_PER_S, faults[i].time_ns % NS_PER_S / NS_PER_US,
               text);
    }
}

static int command_faults(int argc, char **argv)
{
    struct iommu_fault_device device;

    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    printf("%" PRIu64 " faults since start\n", iommu_fault_count());
    for (unsigned n = 0; iommu_fault_device(n, &device); n++) {
        if (n == 0)
            printf("%-12s  %-15s %10s %12s %10s %10s %10s  %s\n", "device", "domain", "faults",
                   "only counted", "reads", "writes", "interrupts", "newest");
        print_device(&device);
    }
    print_units();
    print_newest();
    return 0;
}

static void json_device_address(struct json *json, struct pci_address device)
{
    char text[32];

    snprintf(text, sizeof text, PCI_FORMAT, PCI_ARGS(device));
    json_text(json, "device", text);
}

static void json_fault(struct json *json, const struct iommu_fault *fault)
{
    static const char *const requests[] = {
        [IOMMU_REQUEST_READ] = "read",           [IOMMU_REQUEST_WRITE] = "write",
        [IOMMU_REQUEST_ATOMIC] = "atomic",       [IOMMU_REQUEST_PAGE] = "page",
        [IOMMU_REQUEST_INTERRUPT] = "interrupt",
    };

    json_device_address(json, fault->device);
    json_number(json, "time_ns", fault->time_ns);
    if (fault->domain_number)
        json_text(json, "domain", fault->domain);
    json_text(json, "request", requests[fault->request]);
    if (fault->request == IOMMU_REQUEST_INTERRUPT)
        json_number(json, "index", fault->interrupt_index);
    else
        json_number(json, "iova", fault->iova);
    if (fault->has_pasid) {
        json_number(json, "pasid", fault->pasid);
        json_bool(json, "execute", fault->execute);
        json_bool(json, "privileged", fault->privileged);
    }
    json_number(json, "reason", fault->reason);
    json_text(json, "text", fault->text);
    json_number(json, "skipped", fault->skipped);
}

static void json_of_device(const struct iommu_fault_device *device)
{
    struct json json;

    json_begin(&json);
    if (device->others)
        json_bool(&json, "others", true);
    else
        json_device_address(&json, device->device);
    json_number(&json, "faults", device->faults);
    json_number(&json, "only_counted", device->skipped);
    json_number(&json, "reads", device->reads);
    json_number(&json, "writes", device->writes);
    json_number(&json, "interrupts", device->interrupts);
    json_open(&json, "newest");
    json_fault(&json, &device->newest);
    json_close(&json);
    json_print(&json);
}

static void json_units(void)
{
    struct json json;

    for (unsigned i = 0; i < vtd_unit_count(); i++) {
        json_begin(&json);
        json_number(&json, "unit", i);
        json_number(&json, "overflows", vtd_unit(i)->fault_overflows);
        json_number(&json, "overflow_bursts", vtd_unit(i)->fault_overflow_bursts);
        json_number(&json, "storms", vtd_unit(i)->fault_storms);
        json_number(&json, "mutes", vtd_unit(i)->fault_mutes);
        json_bool(&json, "storm_now", vtd_unit(i)->fault_masked);
        json_print(&json);
    }
}

/* A line for all, one for each unit, one for each device, one for each of the newest faults. */
static int command_faults_json(int argc, char **argv)
{
    struct iommu_fault faults[SHOWN_MAX];
    struct iommu_fault_device device;
    struct json json;
    unsigned count;

    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    json_begin(&json);
    json_number(&json, "faults", iommu_fault_count());
    json_print(&json);
    json_units();
    for (unsigned n = 0; iommu_fault_device(n, &device); n++)
        json_of_device(&device);
    count = iommu_faults(faults, ARRAY_SIZE(faults));
    for (unsigned i = 0; i < count; i++) {
        json_begin(&json);
        json_open(&json, "fault");
        json_fault(&json, &faults[i]);
        json_close(&json);
        json_print(&json);
    }
    return 0;
}

SHELL_COMMAND_JSON("faults", "", "faults of each device and of each unit, and the newest", command_faults,
                   command_faults_json);
