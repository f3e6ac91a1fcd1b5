/* SPDX-License-Identifier: BSD-2-Clause */
/* Start and stop of dirty tracking on live units: SSADE in every PASID-table entry that leads to the domain's
 * second-stage tree, and what follows from that (6.5.3.3). A first stage always sets its bits (3.6.2).
 *
 * Why nothing is missed when a start has returned:
 *
 * - Entries. domain->keeps_dirty and entries change under one lock, entries_lock. An attach takes it, and
 *   under it reads keeps_dirty, and makes PASID-table entry and context entry present. A start writes
 *   keeps_dirty under it, and after that goes through the list of devices. So an attach that had the lock
 *   before has made its entries present, which are found here, since a device is on the list before that; and
 *   one that has it later reads what was written. A stop is the same with the other value.
 *
 * - Tables of entries. A detach clears the context entry under the lock, and gives back the PASID
 *   directory after that. Here a directory is reached by the context entry, under the lock: so it is
 *   there, or not found. A device is on the list as long as its detach lasts.
 *
 * - Caches. The units are read after the last entry has changed, full fence in between (vtd_flush_run()).
 *   Its partner is join_unit(): a unit is in the mask before any entry of it leads to the tree, so one
 *   whose entry was changed here is invalidated here; and an entry that an attach made is invalidated by
 *   the attach. The PASID cache goes first, for the IOTLB is filled by what it says; then the IOTLB by
 *   domain, with it the table caches, so that no translation is left that sets no dirty bit, and none of a
 *   walk that set no accessed bit; then devices' TLBs, which fill from there. The invalidation drains what
 *   was translated before (6.5.4).
 *
 * - A first stage changes no entry, but what was cached before may say "dirty is set already" of a leaf
 *   from which a harvest took the bit, if that was not confirmed and tracking stopped after it. So it is
 *   invalidated like the other. Its dirty bits of before are reported by the first harvest.
 *
 * A unit that does not confirm is told to drop everything. If it does not do that either, a start is undone,
 * and devices are cut off as after an unmap (cut_off.h). An unconfirmed stop does no harm: what units set in
 * the tree nobody looks at. */
#include "iommu/vtd/track.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/cut_off.h"
#include "iommu/vtd/device_tlb.h"
#include "iommu/vtd/domain.h"
#include "iommu/vtd/flush.h"
#include "iommu/vtd/pasid.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"

static void set_keeps_dirty(struct iommu_domain *domain, bool on)
{
    uint64_t saved = spin_lock_irq(&domain->entries_lock);

    domain->keeps_dirty = on;
    spin_unlock_irq(&domain->entries_lock, saved);
}

struct switching {
    struct iommu_domain *domain;
    bool on;
};

/* Under the lock. One that is coming or going may have no entry. */
static void switch_entry(const struct vtd_unit *unit, struct pci_address device, uint32_t pasid, bool on)
{
    const uint64_t *context = vtd_context_find(unit, device);
    struct vtd_pasid_entry *entry = NULL;

    if (context && vtd_context_is_used(context))
        entry = vtd_pasid_entry_find(phys_to_virt(vtd_context_target(context)), pasid);
    if (entry)
        vtd_pasid_switch(unit, entry, VTD_PASID_SSADE, on);
}

static void switch_device(void *context, struct pci_address device, uint32_t pasid)
{
    const struct switching *switching = context;
    struct spinlock *lock = &switching->domain->entries_lock;
    const struct vtd_unit *unit = vtd_unit_of(device);
    uint64_t saved;

    if (!unit)
        return; /* it is being refused */
    if (mutant(ENTRIES_UNLOCKED)) {
        switch_entry(unit, device, pasid, switching->on);
        return;
    }
    saved = spin_lock_irq(lock);
    switch_entry(unit, device, pasid, switching->on);
    spin_unlock_irq(lock, saved);
}

/* Units that did not confirm: they are to drop all that they hold. Where one does not do that either, what
 * its PASID cache holds is not known, even if it confirms something smaller. */
static int drop_all(struct iommu_domain *domain, uint64_t units, int error)
{
    uint64_t left;

    if (!vtd_flush_everything(units, domain->id, &left))
        return 0;
    if (!vtd_cut_off(domain, left, error))
        log_warn("vtd: domain %s: a unit does not confirm what its PASID cache holds", domain->name);
    return error;
}

static int invalidate(struct iommu_domain *domain)
{
    const struct vtd_flush flush = {{vtd_descriptor_pasid_cache_domain(domain->id),
                                     vtd_descriptor_iotlb_domain(domain->id),
                                     vtd_descriptor_pasid_iotlb_all(domain->id, VTD_RID_PASID)},
                                    3};
    struct gather everything;
    uint64_t failed;
    int error = vtd_flush_run(domain, &flush, &failed), tlb_error;

    if (error)
        error = drop_all(domain, failed, error);
    gather_init(&everything);
    gather_add_range(&everything, 0, pt_span_last(&domain->pt));
    tlb_error = vtd_device_tlb_invalidate(domain, &everything);
    return error ? error : tlb_error;
}

static int change(struct iommu_domain *domain, bool on)
{
    struct switching switching = {domain, on};

    if (domain->ops == vtd_domain_ops(VTD_SECOND_STAGE)) {
        set_keeps_dirty(domain, on);
        iommu_devices_visit(domain, switch_device, &switching);
    } else if (!on) {
        return 0;
    }
    return on && mutant(SSADE_WITHOUT_INVALIDATION) ? 0 : invalidate(domain);
}

int vtd_track(struct iommu_domain *domain, bool on)
{
    int error = change(domain, on);

    if (error && on && change(domain, false))
        log_warn("vtd: domain %s: a unit does not confirm that it keeps no more dirty bits", domain->name);
    return error;
}
