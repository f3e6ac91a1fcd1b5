/* SPDX-License-Identifier: BSD-2-Clause */
/* First-stage domains: makes them, and moves devices in and out. */
#include "iommu/vtd/first_stage.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/did.h"
#include "iommu/vtd/errata.h"
#include "iommu/vtd/flush.h"
#include "iommu/vtd/pasid.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"

#define LEVELS 4

/* Requests into this window are interrupts and are never translated (3.14). */
#define INTERRUPT_WINDOW_FIRST 0xfee00000ull
#define INTERRUPT_WINDOW_END   0xfef00000ull

static struct spinlock attach_lock; /* over which units a domain is on */

static bool believes_dirty(void)
{
    return vtd_limits()->coherent_walks || vtd_errata() & VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE;
}

void vtd_first_stage_log_tracking(void)
{
    if (!believes_dirty())
        log_warn(
            "vtd: dirty pages cannot be tracked: a unit's page walks are not coherent (ECAP.SMPWC is clear), "
            "so its dirty bits are not dependable");
}

static unsigned tree_flags(void)
{
    unsigned flags = 0;

    if (!vtd_limits()->coherent_walks)
        flags |= PT_INCOHERENT;
    /* A unit that must set accessed or dirty on a walk that is not coherent faults instead (SFS.9). */
    if (!believes_dirty())
        flags |= PT_PRESET_DIRTY;
    if (vtd_errata() & VTD_ERRATUM_ACCESSED_IS_DIRTY)
        flags |= PT_ACCESSED_IS_DIRTY;
    return flags;
}

static int first_stage_init(struct iommu_domain *domain)
{
    int error;

    domain->id = vtd_did_alloc();
    if (!domain->id) {
        log_error("vtd: no domain id left for %s", domain->name);
        return ERR_UNSUPPORTED;
    }
    error = pt_init(&domain->pt, LEVELS, vtd_limits()->leaf_1g ? 7 : 3, vtd_limits()->first_stage_lg2,
                    tree_flags());
    if (error) {
        vtd_did_free(domain->id);
        return error;
    }
    domain->pt_ops = &pt_x86_64;
    domain->tracks_dirty = believes_dirty();
    domain->untranslated_iova = INTERRUPT_WINDOW_FIRST;
    domain->untranslated_end = INTERRUPT_WINDOW_END;
    return 0;
}

static void first_stage_destroy(struct iommu_domain *domain)
{
    struct vtd_flush flush;

    /* Units whose last invalidation for a detached device failed are in the mask still. */
    vtd_flush_plan_all(&flush, domain->id);
    if (domain->units && vtd_flush_run(domain, &flush)) {
        log_error(
            "vtd: domain %s is gone, but a unit may walk its tree: domain id %u and the tree stay out of use",
            domain->name, domain->id);
        return;
    }
    vtd_did_free(domain->id);
    pt_destroy(&domain->pt);
}

/* The unit's number comes into the mask before any entry that makes it walk the tree. See vtd_flush_run() for
 * the partner of the fence. */
static void join_unit(struct iommu_domain *domain, const struct vtd_unit *unit)
{
    spin_lock(&attach_lock);
    atomic_fetch_add(&domain->unit_devices[unit->index], 1u);
    atomic_fetch_or(&domain->units, 1ull << unit->index);
    spin_unlock(&attach_lock);
    atomic_fence_full();
}

/* clean: the unit has completed an invalidation of the domain since it could walk the tree for this device.
 */
static void leave_unit(struct iommu_domain *domain, const struct vtd_unit *unit, bool clean)
{
    spin_lock(&attach_lock);
    if (atomic_fetch_sub(&domain->unit_devices[unit->index], 1u) == 1 && clean)
        atomic_fetch_and(&domain->units, ~(1ull << unit->index));
    spin_unlock(&attach_lock);
}

/* Table 28 in 6.5.3.3: after a change of a device's context and PASID entries. The context cache first, so
 * that the PASID cache is not filled again from what it held; and what caching mode keeps of a PASID entry
 * that was not present has domain id 0 (6.2.3). */
static int invalidate_device(struct vtd_unit *unit, struct pci_address device, uint16_t did)
{
    const struct vtd_descriptor context = vtd_descriptor_context_device(pci_source_id(device));
    const struct vtd_descriptor absent = vtd_descriptor_pasid_cache(0, VTD_RID_PASID);
    struct vtd_flush rest;
    int error = vtd_queue_run(&unit->queue, &context, 1);

    if (!error && unit->cap.caching_mode)
        error = vtd_queue_run(&unit->queue, &absent, 1);
    if (error || mutant(DID_NOT_INVALIDATED))
        return error;
    vtd_flush_plan_all(&rest, did);
    return vtd_queue_run(&unit->queue, rest.descriptors, rest.count);
}

/* Blocks the device: takes both present bits away, waits until the unit knows, and gives its tables back.
 * When the unit does not confirm they stay where they are, for it may be reading them. */
static int block(struct vtd_unit *unit, struct vtd_context_entry *entry, struct pci_address device)
{
    uint64_t *directory = vtd_context_directory(entry);
    uint16_t did = vtd_pasid_did(directory);
    int error;

    vtd_context_retract(unit, entry);
    vtd_pasid_retract(unit, directory);
    error = invalidate_device(unit, device, did);
    if (error) {
        log_error("vtd%u: " PCI_FORMAT " is cut off, but the unit does not confirm it", unit->index,
                  PCI_ARGS(device));
        return error;
    }
    vtd_context_clear(unit, entry);
    vtd_pasid_free(directory);
    return 0;
}

/* Such a device may need the RMRR's memory at any time, and this version maps it for nobody. */
static bool is_reserved_for_firmware(struct pci_address device)
{
    const struct dmar *dmar = vtd_dmar();

    for (unsigned i = 0; i < dmar->reserved_count; i++)
        if (dmar_scopes_cover(&dmar->reserved[i].devices, dmar->reserved[i].segment, device))
            return true;
    return false;
}

/* The device's context entry, all zero. */
static int take_entry(struct vtd_unit *unit, struct pci_address device, struct vtd_context_entry **entry)
{
    *entry = vtd_context_make(unit, device);
    if (!*entry)
        return ERR_NOMEM;
    if (!vtd_context_directory(*entry))
        return 0;
    /* What a detach that was not confirmed left behind: try again. */
    return block(unit, *entry, device);
}

static int first_stage_attach(struct iommu_domain *domain, struct pci_address device)
{
    struct vtd_unit *unit = vtd_unit_of(device);
    struct vtd_context_entry *entry;
    uint64_t *directory;
    int error;

    if (!unit) {
        log_error("vtd: no unit covers " PCI_FORMAT, PCI_ARGS(device));
        return ERR_NOT_FOUND;
    }
    if (is_reserved_for_firmware(device)) {
        log_error("vtd: " PCI_FORMAT " stays blocked: an RMRR says that firmware goes on using it",
                  PCI_ARGS(device));
        return ERR_UNSUPPORTED;
    }
    error = take_entry(unit, device, &entry);
    if (error)
        return error;
    directory = vtd_pasid_make(unit);
    if (!directory)
        return ERR_NOMEM;
    join_unit(domain, unit);
    vtd_pasid_set_first_stage(unit, directory, &domain->pt, domain->id);
    vtd_context_set(unit, entry, virt_to_phys(directory));
    /* Only caching mode keeps entries that were not present (6.2), but then it must be told. */
    error = invalidate_device(unit, device, domain->id);
    if (error)
        leave_unit(domain, unit, block(unit, entry, device) == 0);
    return error;
}

static int first_stage_detach(struct iommu_domain *domain, struct pci_address device)
{
    struct vtd_unit *unit = vtd_unit_of(device);
    struct vtd_context_entry *entry = unit ? vtd_context_find(unit, device) : NULL;
    int error;

    if (!entry || !vtd_context_directory(entry))
        return ERR_NOT_FOUND;
    error = block(unit, entry, device);
    leave_unit(domain, unit, error == 0);
    return error;
}

static int first_stage_invalidate(struct iommu_domain *domain, const struct gather *gather)
{
    struct vtd_flush flush;

    vtd_flush_plan(&flush, vtd_limits(), domain->id, gather);
    return vtd_flush_run(domain, &flush);
}

const struct iommu_domain_ops vtd_first_stage_ops = {
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
    .init = first_stage_init,
    .destroy = first_stage_destroy,
    .attach = first_stage_attach,
    .detach = first_stage_detach,
    .invalidate = first_stage_invalidate,
};
