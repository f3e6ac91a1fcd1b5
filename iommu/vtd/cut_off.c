/* SPDX-License-Identifier: BSD-2-Clause */
/* Cuts devices off. A unit that does not confirm may be dead, so nothing here waits for it before the devices
 * are blocked: by their context entries, which a unit that lives reads again some time, and by Bus Master
 * Enable, which a device obeys whatever has become of its unit.
 *
 * Who else is about:
 *
 * - Attach on another CPU. It is on the list of devices before it makes an entry present, by an atomic
 *   read-modify-write or a store and a full fence, and looks at unit_cutting and units_unconfirmed after
 *   that. Here unit_cutting is raised first, then comes a full fence, then the list and the entries are
 *   read. So one of the two sees the other: either the entry is found present here, or the attach finds
 *   that it is forbidden, and blocks the device again. units_unconfirmed is set before unit_cutting falls.
 *
 * - Detach on another CPU, which clears the context entry and then frees the PASID directory. Only the
 *   present bit of the context entry is touched here, by one atomic AND: it does no harm to an entry that
 *   is being cleared, or that is clear, and context tables are never freed. A directory is not read. All
 *   of it happens under the lock of the list of devices, and a device is on the list as long as its detach
 *   lasts: so the entry is not that of a later attach to another domain.
 *
 * - Others that cut off. The AND tells one of them that the bit was there; that one counts, logs and takes
 *   Bus Master Enable. unit_cutting is a count, since the first to be done may not speak for the others.
 *   units_unconfirmed is cleared before an invalidation of everything, which is good for whatever was
 *   unmapped by then, and set again when that fails: who fails beside it sets it later, and nobody clears
 *   that.
 *
 * - A device with several PASIDs. The context entry is that of all of them, so other domains find their
 *   device cut off too. Their pages are as safe as before.
 *
 * - Whoever changes FPD in the same word (fault_mute.c), by atomic accesses too.
 *
 * - Who drives the device, and changes its command register: by pci_command_change() too, so no change of
 *   another bit brings Bus Master Enable back. Who sets that very bit afterwards does; its entry is gone. */
#include "iommu/vtd/cut_off.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/flush.h"
#include "iommu/vtd/pasid.h"
#include "iommu/vtd/queue_error.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/pci.h"

bool vtd_cut_off_device(struct vtd_unit *unit, uint64_t *context, struct pci_address device, bool retracted)
{
    bool news = (!mutant(NO_CUT_OFF) && vtd_context_retract(unit, context)) || retracted;

    /* Without a look at whether it has stopped: there is a lock. */
    (void)pci_command_change(device, PCI_COMMAND_MASTER, 0);
    if (news)
        atomic_fetch_add(&unit->cut_offs, 1);
    return news;
}

/* The next device that is cut off, of those on the list. */
struct victim {
    struct vtd_unit *unit;
    struct pci_address device;
    bool found;
};

static void cut_off_one(void *context, struct pci_address device, uint32_t pasid)
{
    struct victim *victim = context;
    uint64_t *entry;

    (void)pasid;
    if (victim->found || vtd_unit_of(device) != victim->unit)
        return;
    entry = vtd_context_find(victim->unit, device);
    /* One that is being detached, and not present any more, may go by what the unit has cached of its entry.
     */
    if (!entry || !vtd_context_is_used(entry))
        return;
    victim->found = vtd_cut_off_device(victim->unit, entry, device, false);
    victim->device = device;
}

/* One at a time, since the log may be slow, and the list is locked. Each is on it, and present, for once. */
static void cut_off_all(struct iommu_domain *domain, struct vtd_unit *unit, int error)
{
    struct victim victim;

    do {
        victim = (struct victim){.unit = unit};
        iommu_devices_visit(domain, cut_off_one, &victim);
        if (victim.found)
            log_error("vtd%u: " PCI_FORMAT " of domain %s is cut off, and its bus mastering is off: the unit "
                      "does not confirm an invalidation: %s",
                      unit->index, PCI_ARGS(victim.device), domain->name, error_text(error));
    } while (victim.found);
}

static void add_cutting(struct iommu_domain *domain, uint64_t units, uint32_t difference)
{
    for (uint64_t rest = units; rest; rest &= rest - 1)
        atomic_fetch_add(&domain->unit_cutting[__builtin_ctzll(rest)], difference);
}

/* Between these attaches are forbidden. The fence orders unit_cutting against the reads of the list and of
 * the entries on it; its partner is in vtd_cut_off_forbids(). */
static void begin(struct iommu_domain *domain, uint64_t units)
{
    add_cutting(domain, units, 1);
    atomic_fence_full();
}

static int end(struct iommu_domain *domain, uint64_t units)
{
    uint64_t failed;
    int error;

    atomic_fetch_and(&domain->units_unconfirmed, ~units);
    error = vtd_flush_everything(units, domain->id, &failed);
    atomic_fetch_or(&domain->units_unconfirmed, failed);
    add_cutting(domain, units, (uint32_t)-1);
    return error;
}

/* The units for which it did. Who stands still was asked long enough. */
static uint64_t try_wider(const struct iommu_domain *domain, uint64_t units)
{
    const struct vtd_flush legacy = {{vtd_descriptor_iotlb_domain(domain->id)}, 1},
                           scalable = {{vtd_descriptor_iotlb_domain(domain->id),
                                        vtd_descriptor_pasid_iotlb_all(domain->id, VTD_RID_PASID)},
                                       2};
    uint64_t asked = 0, failed, confirmed;

    for (uint64_t rest = units; rest; rest &= rest - 1)
        if (!vtd_queue_stalled(&vtd_unit((unsigned)__builtin_ctzll(rest))->queue))
            asked |= rest & -rest;
    confirmed = vtd_flush_run_on(asked, (struct vtd_flush_modes){&legacy, &scalable}, &failed)
                    ? asked & ~failed
                    : asked;
    for (uint64_t rest = confirmed; rest; rest &= rest - 1)
        atomic_fetch_add(&vtd_unit((unsigned)__builtin_ctzll(rest))->widened, 1);
    return confirmed;
}

int vtd_cut_off(struct iommu_domain *domain, uint64_t units, int error)
{
    units &= ~try_wider(domain, units);
    if (!units)
        return 0;
    if (!mutant(CUT_OFF_FLAG_AFTER))
        begin(domain, units);
    for (uint64_t rest = units; rest; rest &= rest - 1)
        cut_off_all(domain, vtd_unit((unsigned)__builtin_ctzll(rest)), error);
    if (mutant(CUT_OFF_FLAG_AFTER))
        begin(domain, units);
    return end(domain, units);
}

bool vtd_cut_off_forbids(const struct iommu_domain *domain, const struct vtd_unit *unit)
{
    /* The entry that was just made present, before the marks of who cuts off: its partner is in begin(). */
    atomic_fence_full();
    if (atomic_read_acquire(&domain->unit_cutting[unit->index]))
        return true;
    /* Acquire: this was set before the count fell. */
    return atomic_read(&domain->units_unconfirmed) >> unit->index & 1;
}

int vtd_cut_off_settle(struct iommu_domain *domain, const struct vtd_unit *unit)
{
    uint64_t units = 1ull << unit->index;

    if (!(atomic_read(&domain->units_unconfirmed) & units))
        return 0;
    begin(domain, units);
    return end(domain, units);
}

bool iommu_device_is_cut_off(struct pci_address device)
{
    const struct vtd_unit *unit = vtd_unit_of(device);
    const uint64_t *context = unit && unit->root ? vtd_context_find(unit, device) : NULL;

    return context && vtd_context_is_retracted(context);
}
