/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains: makes them, and moves devices in and out. */
#include "iommu/vtd/domain.h"
#include "iommu/vtd/ats.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/cut_off.h"
#include "iommu/vtd/device_tlb.h"
#include "iommu/vtd/did.h"
#include "iommu/vtd/flush.h"
#include "iommu/vtd/pasid.h"
#include "iommu/vtd/reserved.h"
#include "iommu/vtd/sidp.h"
#include "iommu/vtd/track.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"

/* Scalable-mode context entry (9.4), word 0: PRE stays clear, so that page requests are refused, and DTE but
 * for devices that are trusted with ATS. PDTS is the size of the directory, 2^(PDTS + 7) entries. */
#define CONTEXT_PASIDE  (1ull << 3)
#define CONTEXT_PDTS(n) ((uint64_t)(n) << 9)

static struct spinlock attach_lock; /* over which units a domain is on */

static enum vtd_stage stage_of(const struct iommu_domain *domain)
{
    enum vtd_stage stage = VTD_FIRST_STAGE;

    while (domain->ops != vtd_domain_ops(stage))
        stage++;
    return stage;
}

static int init(struct iommu_domain *domain)
{
    int error;

    domain->id = vtd_did_alloc();
    if (!domain->id) {
        log_error("vtd: no domain id left for %s", domain->name);
        return ERR_UNSUPPORTED;
    }
    error = vtd_stage_init(domain, stage_of(domain));
    if (error) {
        vtd_did_free(domain->id);
        return error;
    }
    domain->untranslated_iova = VTD_INTERRUPT_WINDOW_FIRST;
    domain->untranslated_end = VTD_INTERRUPT_WINDOW_END;
    return 0;
}

static int invalidate_domain(struct vtd_unit *unit, uint16_t did, uint32_t pasid)
{
    struct vtd_flush flush;

    vtd_flush_plan_all(&flush, unit, did, pasid);
    return vtd_queue_run(&unit->queue, flush.descriptors, flush.count);
}

static void destroy(struct iommu_domain *domain)
{
    uint64_t units = 0, failed;

    /* Units whose last invalidation for a detached device failed are in the mask still, and may have its
     * context entry cached, which in legacy mode points to the tree. */
    for (uint64_t rest = domain->units; rest; rest &= rest - 1)
        if (vtd_unit((unsigned)__builtin_ctzll(rest))->root_in_force)
            units |= rest & -rest;
    if (vtd_flush_everything(units, domain->id, &failed)) {
        log_error(
            "vtd: domain %s is gone, but a unit may walk its tree: domain id %u and the tree stay out of use",
            domain->name, domain->id);
        return;
    }
    vtd_did_free(domain->id);
    if (domain->pt.root)
        pt_destroy(&domain->pt);
}

/* The unit's number comes into the mask before any entry that makes it walk the tree. See vtd_flush_run() for
 * the partner of the fence. */
static void join_unit(struct iommu_domain *domain, const struct vtd_unit *unit, uint32_t pasid)
{
    spin_lock(&attach_lock);
    atomic_fetch_add(&domain->unit_devices[unit->index], 1u);
    atomic_fetch_or(&domain->units, 1ull << unit->index);
    if (pasid)
        atomic_write(&domain->has_pasids, true);
    spin_unlock(&attach_lock);
    atomic_fence_full();
}

/* clean: the unit has completed an invalidation of the domain since it could walk the tree for this device.
 * Else, and for as long as it owes one for an earlier device, it stays in the mask: it may have that one's
 * entry cached. */
static void leave_unit(struct iommu_domain *domain, const struct vtd_unit *unit, bool clean)
{
    spin_lock(&attach_lock);
    if (!clean)
        atomic_fetch_or(&domain->units_unconfirmed, 1ull << unit->index);
    if (atomic_fetch_sub(&domain->unit_devices[unit->index], 1u) == 1 &&
        !(atomic_read(&domain->units_unconfirmed) >> unit->index & 1))
        atomic_fetch_and(&domain->units, ~(1ull << unit->index));
    spin_unlock(&attach_lock);
}

/* What a unit is told when the entries of a device, and of one of its PASIDs, have changed (6.5.3.3, Table
 * 28). The context cache first, so that the PASID cache is not filled again from what it held; and what
 * caching mode keeps of an entry that was not present has domain id 0 (6.2.3). */
static int invalidate_device(struct vtd_unit *unit, struct pci_address device, uint16_t did, uint32_t pasid)
{
    uint16_t source = pci_source_id(device);
    const struct vtd_descriptor steps[] = {
        vtd_descriptor_context_device(unit->scalable ? 0 : did, source),
        unit->scalable ? vtd_descriptor_pasid_cache(0, pasid) : vtd_descriptor_context_device(0, source),
    };
    unsigned count = unit->cap.caching_mode ? 2 : 1;
    int error = 0;

    if (!unit->root_in_force)
        return 0;
    for (unsigned i = 0; i < count && !error; i++)
        error = vtd_queue_run(&unit->queue, &steps[i], 1);
    if (error || mutant(DID_NOT_INVALIDATED))
        return error;
    return invalidate_domain(unit, did, pasid);
}

/* The entries of a device that leaves are retracted, and the unit may go on by what it has cached of them. */
static void cut_off_unconfirmed(struct vtd_unit *unit, uint64_t *context, struct pci_address device,
                                bool retracted)
{
    if (vtd_cut_off_device(unit, context, device, retracted))
        log_error("vtd%u: " PCI_FORMAT
                  " is cut off, and its bus mastering is off: the unit does not confirm that it is blocked",
                  unit->index, PCI_ARGS(device));
}

/* Clears what was retracted of a device, and of one of its PASIDs if entry says so; the whole device if
 * directory says so, which goes then. Nobody looks for an entry through the context entry meanwhile, or finds
 * the directory after it (track.c). */
static void clear_entries(struct iommu_domain *domain, struct vtd_unit *unit, uint64_t *context,
                          struct vtd_pasid_entry *entry, uint64_t *directory)
{
    uint64_t saved = spin_lock_irq(&domain->entries_lock);

    if (entry)
        vtd_pasid_clear(unit, entry);
    if (directory)
        vtd_context_clear(unit, context);
    spin_unlock_irq(&domain->entries_lock, saved);
    if (directory)
        vtd_pasid_free(directory);
}

/* Blocks the device: takes the present bit away, waits until the unit knows, and clears the entry. When the
 * unit does not confirm it stays as it is, for the unit may be reading it. */
static int block_legacy(struct vtd_unit *unit, uint64_t *context, struct pci_address device)
{
    bool retracted = vtd_context_retract(unit, context);
    int error = invalidate_device(unit, device, vtd_stage_context_did(context), VTD_RID_PASID);

    if (error)
        cut_off_unconfirmed(unit, context, device, retracted);
    else
        vtd_context_clear(unit, context);
    return error;
}

/* The same for one PASID, and for the device as a whole if that was the last. Entries of other PASIDs may
 * have been left behind then, of which the unit has to forget everything before their tables go. */
static int block_pasid(struct iommu_domain *domain, struct vtd_unit *unit, uint64_t *context,
                       struct pci_address device, uint32_t pasid)
{
    uint64_t *directory = phys_to_virt(vtd_context_target(context));
    struct vtd_pasid_entry *entry = vtd_pasid_entry_find(directory, pasid);
    bool last = vtd_pasid_count(directory, VTD_PASID_PRESENT) == 1;
    bool others = last && vtd_pasid_count(directory, ~0ull) > 1;
    bool retracted = last && vtd_context_retract(unit, context);
    int error;

    vtd_pasid_retract(unit, entry);
    error = others ? vtd_flush_unit(unit, domain->id)
                   : invalidate_device(unit, device, vtd_stage_pasid_did(entry), pasid);
    if (error) {
        cut_off_unconfirmed(unit, context, device, retracted);
        return error;
    }
    clear_entries(domain, unit, context, entry, last ? directory : NULL);
    return 0;
}

static int block(struct iommu_domain *domain, struct vtd_unit *unit, uint64_t *context,
                 struct pci_address device, uint32_t pasid)
{
    return unit->scalable ? block_pasid(domain, unit, context, device, pasid)
                          : block_legacy(unit, context, device);
}

/* What a detach that was not confirmed left behind: tries again, with all that the unit has cached. A device
 * that was cut off is in domains by its other PASIDs still, and stays so: ERR_HARDWARE. */
static int clear_left_behind(struct iommu_domain *domain, struct vtd_unit *unit, uint64_t *context,
                             struct pci_address device, uint32_t pasid)
{
    uint64_t target = vtd_context_target(context);
    uint64_t *directory = unit->scalable && target ? phys_to_virt(target) : NULL;
    struct vtd_pasid_entry *entry = directory ? vtd_pasid_entry_find(directory, pasid) : NULL;
    bool whole = vtd_context_is_retracted(context);
    int error;

    if (!whole && !(entry && vtd_context_is_retracted(entry->word)))
        return 0;
    if (whole && directory && vtd_pasid_count(directory, VTD_PASID_PRESENT)) {
        log_error("vtd%u: " PCI_FORMAT
                  " is cut off: it can be in no other domain until it is detached by all "
                  "of its PASIDs",
                  unit->index, PCI_ARGS(device));
        return ERR_HARDWARE;
    }
    error = vtd_flush_unit(unit, domain->id);
    if (error)
        return error;
    if (!unit->scalable)
        vtd_context_clear(unit, context);
    else
        clear_entries(domain, unit, context, whole ? NULL : entry, whole ? directory : NULL);
    return 0;
}

/* Such a device may need the RMRR's memory at any time. */
bool vtd_device_is_reserved(struct pci_address device)
{
    const struct dmar *dmar = vtd_dmar();

    for (unsigned i = 0; i < dmar->reserved_count; i++)
        if (dmar_scopes_cover(&dmar->reserved[i].devices, dmar->reserved[i].segment, device))
            return true;
    return false;
}

bool vtd_device_is_trusted(struct pci_address device)
{
    const struct iommu_config *config = vtd_config();

    for (unsigned i = 0; i < config->trusted_count; i++)
        if (pci_address_equal(config->trusted[i], device))
            return true;
    return false;
}

static int check(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    static const char *const lacks[] = {"first-stage translation (ECAP.SMTS, ECAP.FSTS)",
                                        "second-stage translation (ECAP.SSTS, CAP.SAGAW)",
                                        "pass-through (ECAP.PT)"};
    const struct vtd_unit *unit = vtd_unit_of(device);
    enum vtd_stage stage = stage_of(domain);
    const char *why;

    if (!unit) {
        log_error("vtd: no unit covers " PCI_FORMAT, PCI_ARGS(device));
        return ERR_NOT_FOUND;
    }
    if (vtd_device_is_reserved(device) && domain != vtd_reserved_domain()) {
        log_error("vtd: " PCI_FORMAT
                  " is in no domain but the firmware's: an RMRR says that it goes on using it",
                  PCI_ARGS(device));
        return ERR_UNSUPPORTED;
    }
    if (!vtd_unit_has_stage(unit, stage)) {
        log_error("vtd%u: " PCI_FORMAT " cannot be in domain %s: the unit lacks %s", unit->index,
                  PCI_ARGS(device), domain->name, lacks[stage]);
        return ERR_UNSUPPORTED;
    }
    if (stage == VTD_PASS_THROUGH && !vtd_device_is_trusted(device)) {
        log_error("vtd: " PCI_FORMAT
                  " stays blocked: it would reach all memory, and is not among those that are "
                  "trusted with that",
                  PCI_ARGS(device));
        return ERR_UNSUPPORTED;
    }
    why = pasid ? NULL : vtd_sidp_refusal(unit, device);
    if (why) {
        log_error("vtd%u: " PCI_FORMAT " stays blocked: %s", unit->index, PCI_ARGS(device), why);
        return ERR_UNSUPPORTED;
    }
    if (pasid && (!unit->scalable || pasid >> unit->cap.pasid_lg2 || pasid >> VTD_PASIDS_LG2)) {
        log_error("vtd%u: " PCI_FORMAT ": PASID %u is more than requests there can have", unit->index,
                  PCI_ARGS(device), pasid);
        return ERR_RANGE;
    }
    return 0;
}

static void attach_legacy(struct iommu_domain *domain, struct vtd_unit *unit, uint64_t *context, bool ats)
{
    uint64_t words[2];

    vtd_stage_context_entry(unit, domain, stage_of(domain), words);
    words[0] |= ats ? VTD_CONTEXT_ATS : 0;
    join_unit(domain, unit, VTD_RID_PASID);
    vtd_context_set(unit, context, words);
}

static int attach_pasid(struct iommu_domain *domain, struct vtd_unit *unit, uint64_t *context, uint32_t pasid,
                        bool ats)
{
    uint64_t words[VTD_PASID_WORDS], context_words[VTD_CONTEXT_WORDS_MAX] = {0, VTD_RID_PASID};
    bool first = !vtd_context_is_used(context);
    uint64_t *directory = first ? vtd_pasid_make(unit) : phys_to_virt(vtd_context_target(context));
    struct vtd_pasid_entry *entry = directory ? vtd_pasid_entry_make(unit, directory, pasid) : NULL;
    uint64_t saved;

    if (!entry) {
        if (first && directory)
            vtd_pasid_free(directory);
        return ERR_NOMEM;
    }
    if (mutant(TRACK_MISSES_ATTACH))
        vtd_stage_pasid_entry(unit, domain, stage_of(domain), words);
    join_unit(domain, unit, pasid);
    /* From what the entry is made of until it can be found: see track.c. */
    saved = spin_lock_irq(&domain->entries_lock);
    if (!mutant(TRACK_MISSES_ATTACH))
        vtd_stage_pasid_entry(unit, domain, stage_of(domain), words);
    vtd_pasid_set(unit, entry, words);
    context_words[0] = virt_to_phys(directory) | CONTEXT_PDTS(VTD_PASID_PDTS) |
                       (unit->cap.pasid_lg2 ? CONTEXT_PASIDE : 0) | (ats ? VTD_CONTEXT_ATS : 0) |
                       VTD_CONTEXT_PRESENT;
    if (first)
        vtd_context_set(unit, context, context_words);
    spin_unlock_irq(&domain->entries_lock, saved);
    return 0;
}

/* The device's entries are present: waits until the unit knows. Only caching mode keeps entries that were not
 * present (6.2), but then it must be told. */
static int confirm_attach(const struct iommu_domain *domain, struct vtd_unit *unit, struct pci_address device,
                          uint32_t pasid)
{
    if (!vtd_cut_off_forbids(domain, unit))
        return invalidate_device(unit, device, domain->id, pasid);
    log_error(
        "vtd%u: " PCI_FORMAT
        " stays blocked: the unit does not confirm an invalidation of domain %s, whose devices are cut off",
        unit->index, PCI_ARGS(device), domain->name);
    return ERR_HARDWARE;
}

/* Whether a device that leaves by one of its PASIDs is out then. */
static bool is_last(const struct vtd_unit *unit, const uint64_t *context)
{
    return !unit->scalable ||
           vtd_pasid_count(phys_to_virt(vtd_context_target(context)), VTD_PASID_PRESENT) == 1;
}

static int leave(struct iommu_domain *domain, struct vtd_unit *unit, uint64_t *context,
                 struct pci_address device, uint32_t pasid)
{
    bool ats = vtd_context_has_ats(context);
    bool last = is_last(unit, context);
    int error;

    if (ats)
        vtd_ats_stop_dma(device, last);
    error = block(domain, unit, context, device, pasid);
    if (ats)
        error = vtd_ats_leave(domain, unit, device, pasid, last, error);
    return error;
}

/* With the device's ATS as it is to be, and its DMA stopped if that has changed. */
static int enter(struct iommu_domain *domain, struct vtd_unit *unit, uint64_t *context,
                 struct pci_address device, uint32_t pasid, const struct vtd_ats *ats)
{
    int error = 0, left = 0;

    if (unit->scalable)
        error = attach_pasid(domain, unit, context, pasid, ats->on);
    else
        attach_legacy(domain, unit, context, ats->on);
    if (error) {
        if (ats->on)
            left = vtd_ats_leave(domain, unit, device, pasid, !vtd_context_is_used(context), 0);
        return left ? left : error;
    }
    if (ats->on && mutant(ATS_LIST_LATE) &&
        !vtd_device_tlb_join(domain, &(struct vtd_tlb){unit, device, pasid, 32}))
        return ERR_UNSUPPORTED;
    error = confirm_attach(domain, unit, device, pasid);
    if (!error && ats->on && !vtd_device_tlb_is_live(domain, &(struct vtd_tlb){unit, device, pasid, 32})) {
        log_error("vtd%u: " PCI_FORMAT " was cut off while it was attached", unit->index, PCI_ARGS(device));
        error = ERR_HARDWARE;
    }
    if (error)
        leave_unit(domain, unit, leave(domain, unit, context, device, pasid) == 0);
    return error;
}

static int attach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    struct vtd_unit *unit = vtd_unit_of(device);
    uint64_t *context = vtd_context_make(unit, device);
    struct vtd_ats ats;
    int error;

    if (!context)
        return ERR_NOMEM;
    error = clear_left_behind(domain, unit, context, device, pasid);
    if (!error)
        error = vtd_cut_off_settle(domain, unit);
    if (!error)
        error = vtd_ats_join(domain, unit, context, device, pasid, &ats);
    if (error)
        return error;
    error = enter(domain, unit, context, device, pasid, &ats);
    if (!error || !ats.on)
        vtd_ats_go_on(unit, context, device, &ats);
    return error;
}

static int detach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    struct vtd_unit *unit = vtd_unit_of(device);
    uint64_t *context = unit ? vtd_context_find(unit, device) : NULL;
    int error;

    if (!context || !vtd_context_is_used(context))
        return ERR_NOT_FOUND;
    error = leave(domain, unit, context, device, pasid);
    /* Now that the unit answers it can be asked for what it owes of earlier ones. */
    leave_unit(domain, unit, !error && vtd_cut_off_settle(domain, unit) == 0);
    return error;
}

static int invalidate_units(struct iommu_domain *domain, const struct gather *gather)
{
    struct vtd_flush flush;
    uint64_t failed;
    int error;

    /* What is cached of a first-stage tree has the PASID of the request, and a domain does not know which. */
    if (atomic_read(&domain->has_pasids) && !mutant(PASIDS_FORGOTTEN))
        vtd_flush_plan_domain(&flush, domain->id);
    else
        vtd_flush_plan(&flush, vtd_limits(), stage_of(domain) == VTD_FIRST_STAGE, domain->id, gather);
    error = vtd_flush_run(domain, &flush, &failed);
    return error ? vtd_cut_off(domain, failed, error) : 0;
}

/* From the units the devices' TLBs fill again, so they come after them (6.5.2.5). When a unit did not confirm
 * too: devices behind the others go on. */
static int invalidate(struct iommu_domain *domain, const struct gather *gather)
{
    int first = mutant(DEVICE_TLB_FIRST) ? vtd_device_tlb_invalidate(domain, gather) : 0;
    int error = invalidate_units(domain, gather);
    int tlb_error = mutant(DEVICE_TLB_FIRST) ? first : vtd_device_tlb_invalidate(domain, gather);

    return error ? error : tlb_error;
}

/* In caching mode a unit keeps what is not present in second-stage tables too (6.1). A device's TLB does not
 * (PCI Express, 10.2.3). */
static int invalidate_mapped(struct iommu_domain *domain, const struct gather *gather)
{
    return vtd_limits()->caching_mode ? invalidate_units(domain, gather) : 0;
}

#define VTD_DOMAIN_OPS                                                                                       \
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES, .init = init, .destroy = destroy, .check = check, .attach = attach, \
    .detach = detach, .invalidate = invalidate

const struct iommu_domain_ops *vtd_domain_ops(enum vtd_stage stage)
{
    static const struct iommu_domain_ops ops[] = {
        [VTD_FIRST_STAGE] = {VTD_DOMAIN_OPS, .track = vtd_track},
        [VTD_SECOND_STAGE] = {VTD_DOMAIN_OPS, .track = vtd_track, .invalidate_mapped = invalidate_mapped},
        [VTD_PASS_THROUGH] = {VTD_DOMAIN_OPS},
    };

    return &ops[stage];
}
