/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of a domain that keep translations themselves, and the invalidation of their TLBs.
 *
 * The list is an array of slots, and a mask that says which are on it, so that who invalidates reads one word
 * where there are none. Who else is about:
 *
 * - Attach, which puts a device on the list, full fence (the atomic OR is one), and only then makes its
 * entries present. Who invalidates has changed page-table entries, full fence (vtd_flush_run()), and reads
 * the mask after that. So either the device is found here, or all its translations are made of the changed
 * entries. It is the argument of join_unit() for units (domain.c), with the device for the unit.
 *
 * - Detach. It has taken the device's entries away, its unit knows, and the device has dropped what it held;
 *   then it takes the slot off the mask and waits until the slot has no users. Here a slot's users are raised
 *   first, and the mask is read again. Both are atomic read-modify-writes before a read, so one of the two
 * sees the other: no request is sent to a device whose ATS is switched off, which would not answer it.
 *
 * - An attach that takes the same slot. It does so only where the mask has no bit and there are no users, and
 *   sets the bit last, so an owner does not change under a user.
 *
 * - Detach while a device is cut off here, for it did not answer. Only the present bit of its context entry
 * is touched, by one atomic AND, which does no harm to one that is being cleared; and the detach waits for
 * this CPU before it returns, so that the entry is not that of a later attach.
 *
 * The TLBs' batch is another one, sent when the units' has completed. The unit would keep that order only by
 * itself where both kinds of descriptor have no PASID or both have one (6.5.2.12): what requests without
 * PASID hold of a first-stage tree needs a descriptor with PASID in the IOTLB, and one without it in the
 * device. And so it is known who did not answer, the unit or the device. */
#include "iommu/vtd/device_tlb.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/cover.h"
#include "iommu/vtd/cut_off.h"
#include "iommu/vtd/flush.h"
#include "iommu/vtd/vtd.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/pci.h"
#include "lib/pci_ats.h"
#include "lib/units.h"

/* An owner: its unit's number, source-id, PASID, and queue depth, 32 as 0. */
#define OWNER_UNIT(owner)  ((unsigned)((owner) & (IOMMU_UNITS_MAX - 1)))
#define OWNER_SID(owner)   ((uint16_t)((owner) >> 16))
#define OWNER_PASID(owner) ((uint32_t)((owner) >> 32 & 0xfffff))
#define OWNER_DEPTH(owner) ((uint8_t)((owner) >> 56))
#define OWNER_IDENTITY     0x00ffffffffffffffull

/* Ranges have at most 2^this pages, or are everything. */
#define MASK_MAX 36

/* Longer than who invalidates takes: several deadlines of a queue for each of the devices before it. */
#define LEAVE_NS (60 * NS_PER_S)

_Static_assert(IOMMU_ATS_SLOTS <= VTD_BATCH_MAX,
               "all devices of a unit in one batch, with a descriptor each");

static struct spinlock join_lock;

static uint64_t owner_of(const struct vtd_tlb *tlb)
{
    return tlb->unit->index | (uint64_t)pci_source_id(tlb->device) << 16 | (uint64_t)tlb->pasid << 32 |
           (uint64_t)(tlb->queue_depth & 31) << 56;
}

static struct vtd_tlb tlb_of(uint64_t owner)
{
    struct vtd_unit *unit = vtd_unit(OWNER_UNIT(owner));

    return (struct vtd_tlb){unit, pci_address_from_source_id(unit->drhd->segment, OWNER_SID(owner)),
                            OWNER_PASID(owner), OWNER_DEPTH(owner)};
}

static bool is_on(const struct iommu_domain *domain, unsigned n)
{
    return atomic_read(&domain->ats) >> n & 1;
}

static bool is_cut(const struct iommu_domain *domain, unsigned n)
{
    return atomic_read(&domain->ats_cut) >> n & 1;
}

/* A slot that is free and has no users; IOMMU_ATS_SLOTS: there is none. Under the lock. */
static unsigned find_free(const struct iommu_domain *domain)
{
    unsigned n = 0;

    while (n < IOMMU_ATS_SLOTS && (is_on(domain, n) || atomic_read(&domain->ats_slots[n].users)))
        n++;
    return n;
}

bool vtd_device_tlb_join(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n;

    spin_lock(&join_lock);
    n = find_free(domain);
    if (n < IOMMU_ATS_SLOTS) {
        atomic_write(&domain->ats_slots[n].owner, owner_of(tlb));
        atomic_fetch_or(&domain->ats, 1u << n);
    }
    spin_unlock(&join_lock);
    return n < IOMMU_ATS_SLOTS;
}

/* The slot that a device has; IOMMU_ATS_SLOTS: none. */
static unsigned find(const struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n = 0;

    while (n < IOMMU_ATS_SLOTS &&
           (!is_on(domain, n) || (atomic_read(&domain->ats_slots[n].owner) ^ owner_of(tlb)) & OWNER_IDENTITY))
        n++;
    return n;
}

static void release(struct iommu_domain *domain, unsigned n)
{
    atomic_fetch_sub(&domain->ats_slots[n].users, 1u);
}

/* The slot that a device has, which is nobody else's until release(); IOMMU_ATS_SLOTS: none. Others may take
 * the device off the list meanwhile, when it is cut off. */
static unsigned hold_of(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n = find(domain, tlb);

    if (n == IOMMU_ATS_SLOTS)
        return n;
    atomic_fetch_add(&domain->ats_slots[n].users, 1u);
    if (find(domain, tlb) == n)
        return n;
    release(domain, n);
    return IOMMU_ATS_SLOTS;
}

void vtd_device_tlb_leave(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n = hold_of(domain, tlb);

    if (n == IOMMU_ATS_SLOTS)
        return;
    atomic_fetch_and(&domain->ats, ~(1u << n));
    if (!mutant(ATS_OFF_AT_ONCE) && !wait_until(atomic_read(&domain->ats_slots[n].users) == 1, LEAVE_NS))
        log_error("vtd%u: " PCI_FORMAT ": an invalidation of its TLB does not end", tlb->unit->index,
                  PCI_ARGS(tlb->device));
    release(domain, n);
}

/* --- descriptors --- */

static struct vtd_descriptor descriptor(uint64_t owner, uint64_t iova, unsigned mask)
{
    const struct vtd_cap *cap = &vtd_unit(OWNER_UNIT(owner))->cap;
    const struct vtd_tlb_owner whose = {
        .source_id = OWNER_SID(owner),
        /* Virtual functions are never found (lib/pci.h), so each function is a physical one. */
        .pfsid = cap->device_tlb_throttle ? OWNER_SID(owner) : 0,
        .pending_max = OWNER_DEPTH(owner),
    };

    return OWNER_PASID(owner) == IOMMU_NO_PASID
               ? vtd_descriptor_device_tlb(whose, iova, mask)
               : vtd_descriptor_pasid_device_tlb(whose, OWNER_PASID(owner), iova, mask);
}

/* Which blocks the devices of a unit are to drop: those of the range, or everything where that makes more
 * descriptors than a batch has. */
static unsigned choose_blocks(const struct gather *gather, unsigned devices,
                              struct vtd_block blocks[VTD_COVER_MAX])
{
    unsigned count = vtd_cover_range(gather->iova, gather->last, MASK_MAX, blocks);

    if (count && count * devices <= VTD_BATCH_MAX)
        return count;
    blocks[0] = (struct vtd_block){0, VTD_DEVICE_TLB_ALL};
    return 1;
}

/* The slots of a mask whose devices are behind a unit. */
static uint32_t behind(const struct iommu_domain *domain, uint32_t slots, unsigned unit)
{
    uint32_t found = 0;

    for (uint32_t rest = slots; rest; rest &= rest - 1)
        if (OWNER_UNIT(atomic_read(&domain->ats_slots[__builtin_ctz(rest)].owner)) == unit)
            found |= rest & -rest;
    return found;
}

static unsigned count_slots(uint32_t slots)
{
    unsigned count = 0;

    for (; slots; slots &= slots - 1)
        count++;
    return count;
}

static void plan(struct vtd_flush *flush, const struct iommu_domain *domain, const struct gather *gather,
                 uint32_t slots)
{
    struct vtd_block blocks[VTD_COVER_MAX];
    unsigned count = choose_blocks(gather, count_slots(slots), blocks);

    flush->count = 0;
    for (uint32_t rest = slots; rest; rest &= rest - 1)
        for (unsigned i = 0; i < count; i++)
            flush->descriptors[flush->count++] = descriptor(
                atomic_read(&domain->ats_slots[__builtin_ctz(rest)].owner), blocks[i].iova, blocks[i].mask);
}

/* --- who does not answer --- */

static bool drop_everything(uint64_t owner)
{
    const struct vtd_descriptor everything = descriptor(owner, 0, VTD_DEVICE_TLB_ALL);

    return vtd_queue_run(&vtd_unit(OWNER_UNIT(owner))->queue, &everything, 1) == 0;
}

bool vtd_device_tlb_drop(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n = hold_of(domain, tlb);
    bool dropped;

    if (n == IOMMU_ATS_SLOTS)
        return true;
    dropped = !is_cut(domain, n) && drop_everything(atomic_read(&domain->ats_slots[n].owner));
    release(domain, n);
    return dropped;
}

static void take_rights(const struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    uint64_t *context = vtd_context_find(tlb->unit, tlb->device);
    bool news;

    (void)pci_bus_master_stop(tlb->device);
    news =
        context && vtd_context_is_used(context) && vtd_cut_off_device(tlb->unit, context, tlb->device, false);

    (void)pci_ats_switch_off(tlb->device);
    if (news)
        log_error("vtd%u: " PCI_FORMAT
                  " of domain %s is cut off, and its bus mastering and ATS are off: it does "
                  "not answer invalidations of its TLB",
                  tlb->unit->index, PCI_ARGS(tlb->device), domain->name);
}

/* Its unit has to forget the entry by which it let the device's translated requests through. Those that it
 * has let through it does not drain (6.5.4), so the device is waited for. By a user of the slot. */
static int settle_cut(struct iommu_domain *domain, const struct vtd_tlb *tlb, unsigned n)
{
    int error = vtd_cut_off_drop_all(domain, tlb->unit);

    if (!error && !pci_wait_quiet(tlb->device))
        error = ERR_TIMEOUT;
    if (error)
        return error;
    /* Before the last user is gone: then the slot may be another device's. */
    atomic_fetch_and(&domain->ats, ~(1u << n));
    atomic_fetch_and(&domain->ats_cut, ~(1u << n));
    return 0;
}

int vtd_device_tlb_cut_off(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n = hold_of(domain, tlb);
    int error;

    if (n == IOMMU_ATS_SLOTS)
        return 0;
    take_rights(domain, tlb);
    atomic_fetch_or(&domain->ats_cut, 1u << n);
    error = settle_cut(domain, tlb, n);
    release(domain, n);
    return error;
}

/* One device alone, since of the batch that failed nobody knows who did not answer. */
static int confirm_or_cut_off(struct iommu_domain *domain, unsigned n)
{
    uint64_t owner = atomic_read(&domain->ats_slots[n].owner);
    const struct vtd_tlb tlb = tlb_of(owner);

    if (!is_on(domain, n))
        return 0; /* others have cut it off meanwhile, and its unit knows */
    if (is_cut(domain, n))
        return settle_cut(domain, &tlb, n);
    return drop_everything(owner) ? 0 : vtd_device_tlb_cut_off(domain, &tlb);
}

/* --- invalidation --- */

/* All slots on the list. */
static uint32_t hold_all(struct iommu_domain *domain)
{
    uint32_t slots = atomic_read(&domain->ats);

    for (uint32_t rest = slots; rest; rest &= rest - 1) {
        unsigned n = (unsigned)__builtin_ctz(rest);

        atomic_fetch_add(&domain->ats_slots[n].users, 1u);
        if (is_on(domain, n))
            continue;
        release(domain, n);
        slots &= ~(1u << n);
    }
    return slots;
}

/* All units at once, then all waits. Returns the slots of the devices whose batch is not confirmed. */
static uint32_t invalidate_held(struct iommu_domain *domain, const struct gather *gather, uint32_t slots)
{
    struct vtd_ticket tickets[IOMMU_ATS_SLOTS];
    uint32_t failed = slots & atomic_read(&domain->ats_cut), asked = 0;
    struct vtd_flush flush;

    for (uint32_t rest = slots & ~failed, mine; rest; rest &= ~mine) {
        unsigned first = (unsigned)__builtin_ctz(rest);
        unsigned unit = OWNER_UNIT(atomic_read(&domain->ats_slots[first].owner));

        mine = behind(domain, rest, unit);
        plan(&flush, domain, gather, mine);
        if (vtd_queue_submit(&vtd_unit(unit)->queue, flush.descriptors, flush.count, &tickets[first]))
            failed |= mine;
        else
            asked |= mine;
    }
    for (uint32_t rest = asked, mine; rest; rest &= ~mine) {
        unsigned first = (unsigned)__builtin_ctz(rest);
        unsigned unit = OWNER_UNIT(atomic_read(&domain->ats_slots[first].owner));

        mine = behind(domain, rest, unit);
        plan(&flush, domain, gather, mine);
        if (vtd_queue_wait(&vtd_unit(unit)->queue, flush.descriptors, flush.count, tickets[first]))
            failed |= mine;
    }
    return failed;
}

int vtd_device_tlb_invalidate(struct iommu_domain *domain, const struct gather *gather)
{
    uint32_t slots = mutant(NO_DEVICE_TLB) ? 0 : hold_all(domain);
    uint32_t failed = slots ? invalidate_held(domain, gather, slots) : 0;
    int error = 0;

    for (; failed; failed &= failed - 1) {
        int result = confirm_or_cut_off(domain, (unsigned)__builtin_ctz(failed));

        error = error ? error : result;
    }
    for (; slots; slots &= slots - 1)
        release(domain, (unsigned)__builtin_ctz(slots));
    return error;
}
