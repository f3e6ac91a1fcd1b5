/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of a domain that keep translations themselves, and the invalidation of their TLBs.
 *
 * The list is an array of slots, and a mask that says which are on it, so that who invalidates reads one word
 * where there are none. Who else is about:
 *
 * - Attach, which puts a device on the list, full fence (the atomic OR is one), and only then makes its
 *   entries present. Who invalidates has changed page-table entries, full fence (vtd_flush_run()), and
 *   reads the mask after that. So either the device is found here, or all its translations are made of the
 *   changed entries. It is the argument of join_unit() for units (domain.c), with the device for the unit.
 *
 * - Detach. It has taken the device's entries away, its unit knows, and the device has dropped what it
 *   held; then it takes the slot off the mask and waits until the slot has no users. Who invalidates
 *   raises a slot's users first, and reads the mask again. Both are atomic read-modify-writes before a
 *   read, so one of the two sees the other: no request is sent to a device whose ATS is switched off,
 *   which would not answer it.
 *
 * The life of a slot. It is a device's, by one of its PASIDs, from the attach that takes it until it is off
 * the mask and has no users: only then another attach takes it. So whoever uses a slot looks at one
 * incarnation of it, and finds its state going one way:
 *
 * - On: invalidations are sent to the device.
 * - On, and cut: the device has lost its rights, since it did not answer or its detach was not confirmed.
 *   Its unit may still go by its entry, or it may have DMA under way that the unit let through. Whoever
 *   invalidates asks the unit to drop everything, and waits for the device, and takes the slot off when
 *   both have succeeded. A detach leaves such a slot on; the next attach to this domain begins with taking
 *   it off.
 * - Off: nothing that the device holds is of any use to it. The mark of the cut stays for late users, and is
 *   cleared by who takes the slot.
 *
 * The lock. Under it a slot is taken, the rights of its device are taken and it is marked as cut, and a
 * detach takes it off. So a CPU that gave up on a device late, when others have cut it off and it has been
 * detached and attached again, finds that its slot is cut or off, and leaves the new entry alone. An attach
 * looks, when its entry is present, whether its slot is still on and not cut: so a cut that found no entry
 * yet is not lost. A cut slot may be that of a device that was attached again, to another domain: an attach
 * waits until the device is quiet before it makes its entry present, so where the entry is present there is
 * nothing left to wait for.
 *
 * Who is guilty. A unit need not tell which device did not answer, and drops the waits of all. So a device is
 * given up only when it did not answer alone: no other TLB's invalidation is under way on its unit meanwhile.
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

/* How long a device waits for its turn to be asked alone: for several others, each with such deadlines. */
#define ALONE_NS (60 * NS_PER_S)

_Static_assert(IOMMU_ATS_SLOTS <= VTD_BATCH_MAX,
               "all devices of a unit in one batch, with a descriptor each");

static struct spinlock slots_lock; /* which slots are on, and whose, and cut */

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

    while (n < IOMMU_ATS_SLOTS &&
           (is_on(domain, n) || (atomic_read(&domain->ats_slots[n].users) && !mutant(SLOT_TAKEN_IN_USE))))
        n++;
    return n;
}

bool vtd_device_tlb_join(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n;

    spin_lock(&slots_lock);
    n = find_free(domain);
    if (n < IOMMU_ATS_SLOTS) {
        atomic_write(&domain->ats_slots[n].owner, owner_of(tlb));
        if (!mutant(STALE_CUT))
            atomic_fetch_and(&domain->ats_cut, ~(1u << n));
        atomic_fetch_or(&domain->ats, 1u << n);
    }
    spin_unlock(&slots_lock);
    return n < IOMMU_ATS_SLOTS;
}

/* The slot that a device has; IOMMU_ATS_SLOTS: none. Under the lock. */
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

/* By a user of the slot, so that it is not another device's. */
static void take_off(struct iommu_domain *domain, unsigned n)
{
    atomic_fetch_and(&domain->ats, ~(1u << n));
}

/* The slot that a device has, which is nobody else's until release(); IOMMU_ATS_SLOTS: none. It may go off
 * the list meanwhile. */
static unsigned hold_of(struct iommu_domain *domain, const struct vtd_tlb *tlb, bool leaves)
{
    unsigned n;

    spin_lock(&slots_lock);
    n = find(domain, tlb);
    if (n < IOMMU_ATS_SLOTS)
        atomic_fetch_add(&domain->ats_slots[n].users, 1u);
    if (n < IOMMU_ATS_SLOTS && leaves)
        take_off(domain, n);
    spin_unlock(&slots_lock);
    return n;
}

bool vtd_device_tlb_is_live(const struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n;
    bool live;

    spin_lock(&slots_lock);
    n = find(domain, tlb);
    live = n < IOMMU_ATS_SLOTS && !is_cut(domain, n);
    spin_unlock(&slots_lock);
    return live;
}

void vtd_device_tlb_leave(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n = hold_of(domain, tlb, true);

    if (n == IOMMU_ATS_SLOTS)
        return;
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

/* Whether batches for TLBs may be sent on a unit: not while a device there is asked alone. The partner of the
 * two read-modify-writes is in ask_alone(). */
static bool begin_batch(struct vtd_unit *unit)
{
    atomic_fetch_add(&unit->tlb_batches, 1u);
    if (!atomic_read(&unit->tlb_asks_alone))
        return true;
    atomic_fetch_sub(&unit->tlb_batches, 1u);
    return false;
}

static void end_batch(struct vtd_unit *unit)
{
    atomic_fetch_sub(&unit->tlb_batches, 1u);
}

static bool become_alone(struct vtd_unit *unit)
{
    uint32_t nobody = 0;

    return atomic_compare_exchange(&unit->tlb_asks_alone, &nobody, 1u);
}

/* Has a device drop everything, with no other TLB's invalidation under way on its unit. Batches that are wait
 * their time at most, and so do those before in line. */
static bool ask_alone(uint64_t owner)
{
    const struct vtd_descriptor everything = descriptor(owner, 0, VTD_DEVICE_TLB_ALL);
    struct vtd_unit *unit = vtd_unit(OWNER_UNIT(owner));
    bool dropped;

    if (mutant(GUILTY_UNASKED))
        return vtd_queue_run(&unit->queue, &everything, 1) == 0;
    if (!wait_until(become_alone(unit), ALONE_NS)) {
        log_error("vtd%u: devices are asked one at a time, and their turns do not end", unit->index);
        return false;
    }
    dropped = wait_until(!atomic_read(&unit->tlb_batches), ALONE_NS) &&
              vtd_queue_run(&unit->queue, &everything, 1) == 0;
    atomic_write_release(&unit->tlb_asks_alone, 0u);
    return dropped;
}

/* One that was cut off by another of its PASIDs has its ATS off, and answers nothing. Who is gone does not
 * either. */
static bool answers(const struct iommu_domain *domain, unsigned n)
{
    uint64_t owner = atomic_read(&domain->ats_slots[n].owner);

    return !is_cut(domain, n) && pci_ats_is_on(tlb_of(owner).device) && ask_alone(owner);
}

bool vtd_device_tlb_drop(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n = hold_of(domain, tlb, false);
    bool dropped;

    if (n == IOMMU_ATS_SLOTS)
        return true;
    dropped = answers(domain, n);
    release(domain, n);
    return dropped;
}

/* Returns whether it had its entry. Without a look at whether its DMA has stopped: there is a lock. */
static bool take_rights(const struct vtd_tlb *tlb)
{
    uint64_t *context = vtd_context_find(tlb->unit, tlb->device);
    bool news = context && vtd_cut_off_device(tlb->unit, context, tlb->device, false);

    (void)pci_ats_switch_off(tlb->device);
    return news;
}

/* Unless another CPU has, or the slot is off: then the device's entry may be that of a later attach. By a
 * user of the slot. */
static void cut(struct iommu_domain *domain, const struct vtd_tlb *tlb, unsigned n)
{
    bool news = false;

    spin_lock(&slots_lock);
    if ((is_on(domain, n) && !is_cut(domain, n)) || mutant(CUT_LATE)) {
        news = take_rights(tlb);
        atomic_fetch_or(&domain->ats_cut, 1u << n);
    }
    spin_unlock(&slots_lock);
    if (news)
        log_error("vtd%u: " PCI_FORMAT
                  " of domain %s is cut off, and its bus mastering and ATS are off: it does "
                  "not answer invalidations of its TLB",
                  tlb->unit->index, PCI_ARGS(tlb->device), domain->name);
}

static bool is_present(const struct vtd_tlb *tlb)
{
    const uint64_t *context = vtd_context_find(tlb->unit, tlb->device);

    return context && atomic_read_acquire(&context[0]) & VTD_CONTEXT_PRESENT;
}

/* Of a device that has been cut off. One that has been attached since was quiet then. */
static bool has_gone_quiet(const struct vtd_tlb *tlb)
{
    return mutant(QUIET_NOT_WAITED) || is_present(tlb) || pci_wait_quiet(tlb->device) || is_present(tlb);
}

/* Its unit has to forget the entry by which it let the device's translated requests through. Those that it
 * has let through it does not drain (6.5.4), so the device is waited for. By a user of the slot. */
static int settle_cut(struct iommu_domain *domain, const struct vtd_tlb *tlb, unsigned n)
{
    int error = vtd_flush_unit(tlb->unit, domain->id);

    if (!error && !has_gone_quiet(tlb))
        error = ERR_TIMEOUT;
    if (!error)
        take_off(domain, n);
    return error;
}

int vtd_device_tlb_cut_off(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    unsigned n = hold_of(domain, tlb, false);
    int error;

    if (n == IOMMU_ATS_SLOTS)
        return 0;
    cut(domain, tlb, n);
    error = settle_cut(domain, tlb, n);
    release(domain, n);
    return error;
}

/* One device alone, since of the batch that failed nobody knows who did not answer. */
static int confirm_or_cut_off(struct iommu_domain *domain, unsigned n)
{
    const struct vtd_tlb tlb = tlb_of(atomic_read(&domain->ats_slots[n].owner));

    if (!is_on(domain, n) || answers(domain, n))
        return 0;
    cut(domain, &tlb, n);
    return settle_cut(domain, &tlb, n);
}

/* --- invalidation --- */

/* All slots on the list. */
static uint32_t hold_all(struct iommu_domain *domain)
{
    uint32_t slots = atomic_read(&domain->ats);

    for (uint32_t rest = slots; rest; rest &= rest - 1) {
        unsigned n = (unsigned)__builtin_ctz(rest);

        atomic_fetch_add(&domain->ats_slots[n].users, 1u);
        if (is_on(domain, n) || mutant(SLOT_NOT_SEEN_AGAIN))
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
        failed |= mine;
        if (!begin_batch(vtd_unit(unit)))
            continue;
        plan(&flush, domain, gather, mine);
        if (vtd_queue_submit(&vtd_unit(unit)->queue, flush.descriptors, flush.count, &tickets[first])) {
            end_batch(vtd_unit(unit));
            continue;
        }
        failed &= ~mine;
        asked |= mine;
    }
    for (uint32_t rest = asked, mine; rest; rest &= ~mine) {
        unsigned first = (unsigned)__builtin_ctz(rest);
        unsigned unit = OWNER_UNIT(atomic_read(&domain->ats_slots[first].owner));

        mine = behind(domain, rest, unit);
        plan(&flush, domain, gather, mine);
        if (vtd_queue_wait(&vtd_unit(unit)->queue, flush.descriptors, flush.count, tickets[first]))
            failed |= mine;
        end_batch(vtd_unit(unit));
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
