/* SPDX-License-Identifier: BSD-2-Clause */
/* What VT-d units, and the DMAR table, say that domains and devices can do. */
#include "iommu/capabilities.h"
#include "iommu/domain.h"
#include "iommu/vtd/ats_refusal.h"
#include "iommu/vtd/domain.h"
#include "iommu/vtd/interrupt.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/pci_ats.h"

/* In scalable mode either stage, in legacy mode the second. */
static enum iommu_translation translation_of(enum vtd_stage stage)
{
    bool scalable = false;

    for (unsigned i = 0; i < vtd_unit_count(); i++)
        scalable = scalable || vtd_unit(i)->scalable;
    if (stage == VTD_FIRST_STAGE)
        return IOMMU_TRANSLATION_FIRST_STAGE;
    return scalable ? IOMMU_TRANSLATION_SECOND_STAGE : IOMMU_TRANSLATION_LEGACY;
}

static uint64_t page_sizes_of(uint8_t leaves)
{
    uint64_t sizes = 0;

    for (unsigned level = 0; level < PT_LEAF_LEVELS; level++)
        if (leaves & 1u << level)
            sizes |= PT_ENTRY_SIZE(level);
    return sizes;
}

int iommu_capabilities(struct iommu_capabilities *capabilities)
{
    const struct vtd_stage_limits *limits;
    enum vtd_stage stage = vtd_stage();

    if (!iommu_is_on())
        return ERR_UNSUPPORTED;
    limits = vtd_stage_limits(stage);
    *capabilities = (struct iommu_capabilities){
        .units = vtd_unit_count(),
        .units_without = vtd_unit_count() - limits->units,
        .translation = translation_of(stage),
        .format = vtd_stage_format(stage)->name,
        .levels = vtd_stage_levels(stage),
        .address_lg2 = vtd_stage_width(stage),
        .page_sizes = page_sizes_of(limits->leaves),
        .domains = vtd_limits()->domain_ids - 1,
        .tracks_dirty = limits->keeps_dirty,
        .why_not_dirty = limits->why_not_dirty,
        .snoops = limits->snoop,
        .flushes_tables = !limits->coherent,
        .map_invalidates = stage == VTD_SECOND_STAGE && vtd_limits()->caching_mode,
    };
    return 0;
}

/* NULL while no unit goes by its tables. */
static const struct vtd_unit *find_unit(struct pci_address device)
{
    const struct vtd_unit *unit = vtd_unit_of(device);

    return unit && unit->on && iommu_is_on() ? unit : NULL;
}

/* Visits each id of a device's group, its own included. */
static void find_obstacle(void *context, struct pci_address id, bool alias)
{
    const char **why_not = context;
    const struct vtd_unit *unit = find_unit(id);

    (void)alias;
    if (*why_not)
        return;
    if (!unit)
        *why_not = "no unit that is on covers one of its group";
    else if (vtd_device_is_reserved(id))
        *why_not = "firmware goes on using it, or one of its group (an RMRR names it)";
    else if (!vtd_unit_has_stage(unit, vtd_stage()))
        *why_not = "its unit lacks the stage that domains are of";
}

/* ERR_NOMEM; *why_not is NULL where nothing is in the way. */
static int find_why_not_attached(struct pci_address device, const char **why_not)
{
    int error;

    *why_not = NULL;
    error = iommu_group_visit(device, find_obstacle, why_not);
    if (error != ERR_UNSUPPORTED)
        return error;
    *why_not = "it is a port of PCI Express";
    return 0;
}

static uint32_t pasids_of(const struct vtd_unit *unit)
{
    if (!unit->scalable || !unit->cap.pasid_lg2)
        return 0;
    return 1u << (unit->cap.pasid_lg2 < VTD_PASIDS_LG2 ? unit->cap.pasid_lg2 : VTD_PASIDS_LG2);
}

int iommu_device_capabilities(struct pci_address device, struct iommu_device_capabilities *capabilities)
{
    const struct vtd_unit *unit = find_unit(device);
    const char *why_not, *why_no_ats;
    struct pci_ats ats;
    int error;

    if (!unit)
        return ERR_NOT_FOUND;
    error = find_why_not_attached(device, &why_not);
    if (error)
        return error;
    why_no_ats = vtd_ats_why_not(unit, device);
    *capabilities = (struct iommu_device_capabilities){
        .unit = unit->index,
        .attaches = !why_not,
        .why_not_attached = why_not,
        .passes_through = vtd_unit_has_stage(unit, VTD_PASS_THROUGH) && vtd_device_is_trusted(device) &&
                          !vtd_device_is_reserved(device),
        .pasids = pasids_of(unit),
        .snoops = unit->cap.snoop_control,
        .remaps_interrupts = unit->interrupts.on,
        .why_no_remapping = unit->interrupts.on ? NULL : unit->interrupts.why_not,
        .apic_id_max = vtd_interrupt_apic_id_max(unit),
        .has_ats = pci_ats_find(device, &ats),
        .ats = !why_no_ats,
        .why_no_ats = why_no_ats,
    };
    return 0;
}

int iommu_reserved_visit(struct pci_address device,
                         void (*visit)(void *context, const struct iommu_reserved_range *range),
                         void *context)
{
    const struct dmar *dmar = vtd_dmar();

    if (!find_unit(device))
        return ERR_NOT_FOUND;
    visit(context, &(struct iommu_reserved_range){VTD_INTERRUPT_WINDOW_FIRST, VTD_INTERRUPT_WINDOW_END - 1,
                                                  IOMMU_RESERVED_INTERRUPTS});
    for (unsigned i = 0; i < dmar->reserved_count; i++)
        if (dmar_scopes_cover(&dmar->reserved[i].devices, dmar->reserved[i].segment, device))
            visit(context, &(struct iommu_reserved_range){dmar->reserved[i].hpa, dmar->reserved[i].last,
                                                          IOMMU_RESERVED_FIRMWARE});
    visit(context,
          &(struct iommu_reserved_range){1ull << vtd_stage_width(vtd_stage()), ~0ull, IOMMU_RESERVED_BEYOND});
    return 0;
}
