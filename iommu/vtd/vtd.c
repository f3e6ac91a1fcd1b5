/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the units in the DMAR table and switches all of them on, or none. */
#include "iommu/vtd/vtd.h"
#include "iommu/domain.h"
#include "iommu/group_reset.h"
#include "iommu/vtd/ats.h"
#include "iommu/vtd/ats_refusal.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/did.h"
#include "iommu/vtd/errata.h"
#include "iommu/vtd/fault.h"
#include "iommu/vtd/interrupt.h"
#include "iommu/vtd/reserved.h"
#include "iommu/vtd/self_test.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/pci_acs.h"
#include "lib/pci_ats.h"
#include <inttypes.h>
#include <stdlib.h>

static struct {
    struct dmar dmar;
    struct vtd_unit *units;
    unsigned count;
    struct vtd_limits limits;
    struct vtd_stage_limits stages[VTD_TABLE_STAGES];
    enum vtd_stage stage;
    unsigned errata;
    struct iommu_config config;
} vtd;

unsigned vtd_unit_count(void)
{
    return vtd.count;
}

struct vtd_unit *vtd_unit(unsigned index)
{
    return &vtd.units[index];
}

const struct vtd_limits *vtd_limits(void)
{
    return &vtd.limits;
}

const struct vtd_stage_limits *vtd_stage_limits(enum vtd_stage stage)
{
    return &vtd.stages[stage];
}

enum vtd_stage vtd_stage(void)
{
    return vtd.stage;
}

const struct iommu_config *vtd_config(void)
{
    return &vtd.config;
}

unsigned vtd_errata(void)
{
    return vtd.errata;
}

const struct dmar *vtd_dmar(void)
{
    return &vtd.dmar;
}

void vtd_update_stages(void)
{
    for (enum vtd_stage stage = 0; stage < VTD_TABLE_STAGES; stage++)
        vtd_stage_limits_of(vtd.units, vtd.count, stage, &vtd.stages[stage]);
}

struct vtd_unit *vtd_unit_of(struct pci_address device)
{
    int index = dmar_unit_of(&vtd.dmar, device);

    return index >= 0 && (unsigned)index < vtd.count ? &vtd.units[index] : NULL;
}

void vtd_limits_of(const struct vtd_unit *units, unsigned count, struct vtd_limits *limits)
{
    *limits = (struct vtd_limits){1u << 16, 63, true, false};
    for (unsigned i = 0; i < count; i++) {
        const struct vtd_cap *cap = &units[i].cap;

        if (cap->domain_ids < limits->domain_ids)
            limits->domain_ids = cap->domain_ids;
        if (cap->mask_max < limits->mask_max)
            limits->mask_max = cap->mask_max;
        limits->page_selective = limits->page_selective && cap->page_selective;
        limits->caching_mode = limits->caching_mode || cap->caching_mode;
    }
}

static int open_units(void)
{
    if (vtd.dmar.unit_count > IOMMU_UNITS_MAX) {
        log_error("vtd: %u units, and this version knows %u", vtd.dmar.unit_count, IOMMU_UNITS_MAX);
        return ERR_UNSUPPORTED;
    }
    vtd.units = calloc(vtd.dmar.unit_count, sizeof *vtd.units);
    if (!vtd.units) {
        log_error("vtd: no memory for %u units", vtd.dmar.unit_count);
        return ERR_NOMEM;
    }
    for (vtd.count = 0; vtd.count < vtd.dmar.unit_count; vtd.count++) {
        struct vtd_unit *unit = &vtd.units[vtd.count];
        int error = vtd_unit_open(unit, vtd.count, &vtd.dmar.units[vtd.count], vtd.errata);

        if (error)
            return error;
        unit->scalable = unit->cap.scalable && vtd.config.translation != IOMMU_TRANSLATION_LEGACY;
    }
    return 0;
}

static int start_units(void)
{
    for (unsigned i = 0; i < vtd.count; i++) {
        const struct vtd_unit *unit = &vtd.units[i];
        /* Before the queue runs: what an earlier user left in the fault status would pass for its errors. */
        int error = vtd_fault_start(&vtd.units[i]);

        vtd_interrupt_choose(&vtd.units[i], &vtd.config, &vtd.dmar);
        if (!error)
            error = vtd_unit_start(&vtd.units[i]);
        if (error)
            return error;
        log_info("vtd%u: on at %#" PRIx64 ", version %u.%u, %s mode, segment %u%s", i, unit->drhd->registers,
                 unit->cap.version_major, unit->cap.version_minor, unit->scalable ? "scalable" : "legacy",
                 unit->drhd->segment,
                 unit->drhd->include_all ? ", all devices that no other unit names" : "");
    }
    return 0;
}

void vtd_stop(void)
{
    vtd_ats_stop();
    for (unsigned i = 0; i < vtd.count; i++) {
        vtd_fault_stop(&vtd.units[i]);
        vtd_unit_stop(&vtd.units[i]);
    }
}

/* Nobody is told of faults from here on: the next system is, by its own interrupt. */
void vtd_hand_over(void)
{
    for (unsigned i = 0; i < vtd.count; i++)
        vtd_fault_stop(&vtd.units[i]);
}

/* What an earlier start left, so long ago that no interrupt of its units is under way any more. ERR_BUSY if
 * one is on. */
static int forget(void)
{
    for (unsigned i = 0; i < vtd.count; i++)
        if (vtd.units[i].on)
            return ERR_BUSY;
    vtd_reserved_drop();
    for (unsigned i = 0; i < vtd.count; i++) {
        vtd_queue_destroy(&vtd.units[i].queue);
        vtd_context_free_tables(&vtd.units[i]);
        vtd_irt_destroy(&vtd.units[i].interrupts.table);
    }
    vtd.count = 0;
    free(vtd.units);
    vtd.units = NULL;
    dmar_free(&vtd.dmar);
    return 0;
}

/* Devices are kept from memory by bus mastering until the units block them, but for those that a unit checks
 * all the time. What may send requests that no unit checks is told not to. */
static void stop_devices(void)
{
    unsigned ats = 0;

    log_info("PCI: bus mastering switched off (%u functions had it on)",
             pci_bus_master_off_all(vtd_reserved_goes_on));
    for (unsigned n = 0; pci_function(n); n++)
        ats +=
            !vtd_reserved_goes_on(pci_function(n)->address) && pci_ats_switch_off(pci_function(n)->address);
    if (ats)
        log_info("PCI: ATS or page requests switched off (%u functions had one of them on)", ats);
}

/* All units are looked at before any is switched on. */
static int start_all(void)
{
    int error = open_units();

    if (error) {
        vtd.count = 0; /* nothing was written to any */
        return error;
    }
    vtd_limits_of(vtd.units, vtd.count, &vtd.limits);
    vtd_update_stages();
    error = vtd_stage_choose(&vtd.config, vtd.count, &vtd.stage);
    if (!error)
        error = vtd_did_init(vtd.limits.domain_ids);
    if (!error)
        error = vtd_reserved_make();
    if (error)
        return error;
    for (unsigned i = 0; i < vtd.count; i++)
        vtd_self_test_init(&vtd.units[i]);
    stop_devices();
    error = start_units();
    if (!error)
        vtd_reserved_resume();
    return error;
}

int vtd_start(const void *dmar, size_t bytes, const struct iommu_config *config)
{
    int error = forget();

    if (error)
        return error;
    vtd.config = *config;
    vtd.config.errata_off = NULL; /* the caller's */
    error = dmar_parse(dmar, bytes, &vtd.dmar);
    if (error)
        return error;
    vtd.errata = vtd_errata_find(vtd.dmar.table.oem_id);
    error = vtd_errata_switch_off(config->errata_off, &vtd.errata);
    if (error)
        return error;
    dmar_log_unresolved(&vtd.dmar);
    error = vtd_ats_init();
    if (error)
        return error;
    /* Before any device is attached, those of RMRRs included: which of them come along depends on ACS. */
    pci_acs_enable_all();
    error = group_reset_init(config->without_reset);
    if (!error)
        error = start_all();
    /* Units that were taken over go off, so what they checked has to stop. The memory stays until the next
     * start: a unit may not have switched off, and a fault interrupt may be under way. */
    if (error && vtd.count) {
        pci_bus_master_off_all(NULL);
        vtd_stop();
    }
    return error;
}

void vtd_drain_faults(void)
{
    for (unsigned i = 0; i < vtd.count; i++)
        if (vtd.units[i].on)
            vtd_fault_drain(&vtd.units[i]);
}
