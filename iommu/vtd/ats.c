/* SPDX-License-Identifier: BSD-2-Clause */
/* ATS, for devices that the configuration trusts with it.
 *
 * A device with ATS on and no present entry is refused whatever it asks. So ATS is switched on before the
 * device comes on the list, and off after it has left it: whoever finds it on the list may send it
 * invalidations, and gets an answer. */
#include "iommu/vtd/ats.h"
#include "iommu/vtd/ats_refusal.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/device_tlb.h"
#include "iommu/vtd/reserved.h"
#include "iommu/vtd/stage.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/pci.h"
#include "lib/pci_ats.h"

static const char *refusal(const struct iommu_domain *domain, const struct vtd_unit *unit,
                           struct pci_address device, unsigned *queue_depth)
{
    if (domain == vtd_reserved_domain())
        return "firmware goes on using it (RMRR)";
    if (!domain->pt.root)
        return "nothing is translated for it";
    return vtd_ats_refusal(unit, device, queue_depth);
}

/* --- in --- */

static void go_without(const struct vtd_tlb *tlb, const char *why)
{
    log_warn("vtd%u: " PCI_FORMAT " goes without ATS: %s", tlb->unit->index, PCI_ARGS(tlb->device), why);
    vtd_ats_note_refusal(tlb->device, why);
}

/* False: it goes without, and the log says why. */
static bool switch_on(struct iommu_domain *domain, const struct vtd_tlb *tlb)
{
    const char *why = NULL;

    if (pci_ats_switch_on(tlb->device)) {
        why = "it does not keep what is written";
    } else if (!mutant(ATS_LIST_LATE) && !vtd_device_tlb_join(domain, tlb)) {
        (void)pci_ats_switch_off(tlb->device);
        why = "the domain has as many devices with ATS as it can have";
    }
    if (why)
        go_without(tlb, why);
    else
        log_info("vtd%u: " PCI_FORMAT " of domain %s keeps translations itself (ATS), and takes in %u "
                 "invalidations at a time",
                 tlb->unit->index, PCI_ARGS(tlb->device), domain->name, tlb->queue_depth);
    return !why;
}

/* With its DMA stopped, and ended: what a unit let through before, by an entry that is gone, no unit drains.
 * It stays stopped where it does not end. */
static int stop(const struct vtd_tlb *tlb, struct vtd_ats *ats)
{
    ats->was_master = pci_bus_master_stop(tlb->device);
    if (pci_wait_quiet(tlb->device) || mutant(QUIET_NOT_WAITED))
        return 0;
    log_error("vtd%u: " PCI_FORMAT " stays blocked: what it began before does not end (Transactions Pending)",
              tlb->unit->index, PCI_ARGS(tlb->device));
    return ERR_TIMEOUT;
}

/* The first that the device is in, by any PASID. */
static int join_as_first(struct iommu_domain *domain, struct vtd_tlb *tlb, struct vtd_ats *ats)
{
    const char *why;
    int error;

    if (!vtd_ats_is_trusted(tlb->device)) {
        if (vtd_ats_is_required(tlb->device))
            log_warn("vtd%u: " PCI_FORMAT
                     " needs ATS to work (SATC, SIDP, 8.8), and nobody trusts it with that",
                     tlb->unit->index, PCI_ARGS(tlb->device));
        return 0;
    }
    /* Also for a domain where it goes without: it may have had ATS in its last. */
    error = stop(tlb, ats);
    if (error)
        return error;
    why = refusal(domain, tlb->unit, tlb->device, &tlb->queue_depth);
    if (why) {
        go_without(tlb, why);
        return 0;
    }
    ats->on = switch_on(domain, tlb);
    return 0;
}

int vtd_ats_join(struct iommu_domain *domain, struct vtd_unit *unit, const uint64_t *context,
                 struct pci_address device, uint32_t pasid, struct vtd_ats *ats)
{
    struct vtd_tlb tlb = {unit, device, pasid, 0};
    struct pci_ats caps;
    int error;

    *ats = (struct vtd_ats){.on = vtd_context_has_ats(context)};
    /* An earlier detach that was not confirmed leaves it on the list, without its rights. */
    error = vtd_device_tlb_cut_off(domain, &tlb);
    if (error)
        return error;
    if (!vtd_context_is_used(context))
        return join_as_first(domain, &tlb, ats);
    if (!ats->on)
        return 0;
    (void)pci_ats_find(device, &caps);
    tlb.queue_depth = caps.queue_depth;
    if (mutant(ATS_LIST_LATE) || vtd_device_tlb_join(domain, &tlb))
        return 0;
    log_error("vtd%u: " PCI_FORMAT " cannot be in domain %s: it has ATS, as %u devices there already",
              unit->index, PCI_ARGS(device), domain->name, IOMMU_ATS_SLOTS);
    return ERR_UNSUPPORTED;
}

void vtd_ats_go_on(struct vtd_unit *unit, const uint64_t *context, struct pci_address device,
                   const struct vtd_ats *ats)
{
    if (!ats->was_master)
        return;
    (void)pci_command_change(device, 0, PCI_COMMAND_MASTER);
    /* Who cuts it off takes the present bit first and this right after that, so one of the two is the last to
     * write here, and knows. */
    if (!vtd_context_is_retracted(context) || mutant(CUT_OFF_GOES_ON))
        return;
    log_error("vtd%u: " PCI_FORMAT " was cut off while it was attached", unit->index, PCI_ARGS(device));
    (void)pci_bus_master_stop(device);
}

/* --- out --- */

void vtd_ats_stop_dma(struct pci_address device, bool whole)
{
    if (whole)
        (void)pci_bus_master_stop(device);
}

/* What it holds by one PASID, while it is in other domains by others, or with its entries gone for good. */
static int drop(struct iommu_domain *domain, const struct vtd_tlb *tlb, bool whole)
{
    if (vtd_device_tlb_drop(domain, tlb))
        return 0;
    if (whole)
        log_warn("vtd%u: " PCI_FORMAT " is blocked, and does not say whether it has dropped its translations",
                 tlb->unit->index, PCI_ARGS(tlb->device));
    return vtd_device_tlb_cut_off(domain, tlb);
}

int vtd_ats_leave(struct iommu_domain *domain, struct vtd_unit *unit, struct pci_address device,
                  uint32_t pasid, bool whole, int unconfirmed)
{
    const struct vtd_tlb tlb = {unit, device, pasid, 0};
    int error = unconfirmed ? vtd_device_tlb_cut_off(domain, &tlb) : drop(domain, &tlb, whole);

    /* Else it stays on the list, cut off: its unit may go by its entry, or its DMA is under way. */
    if (!error)
        vtd_device_tlb_leave(domain, &tlb);
    if (whole)
        (void)pci_ats_switch_off(device);
    return error ? error : unconfirmed;
}

void vtd_ats_stop(void)
{
    const struct iommu_config *config = vtd_config();

    for (unsigned i = 0; i < config->ats_count; i++)
        if (vtd_unit_of(config->ats[i]))
            (void)pci_ats_switch_off(config->ats[i]);
}

bool iommu_device_has_ats(struct pci_address device)
{
    const struct vtd_unit *unit = vtd_unit_of(device);
    const uint64_t *context = unit && unit->root ? vtd_context_find(unit, device) : NULL;

    return context && vtd_context_has_ats(context);
}
