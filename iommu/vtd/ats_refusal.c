/* SPDX-License-Identifier: BSD-2-Clause */
/* Which devices may have ATS: by the configuration, by the platform, and by what was found when one was
 * attached. */
#include "iommu/vtd/ats_refusal.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/domain.h"
#include "iommu/vtd/sidp.h"
#include "iommu/vtd/vtd.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/pci_acs.h"
#include "lib/pci_ats.h"
#include <stdlib.h>

static const char in_no_domain[] = "it is in no domain";

/* For each device that the configuration trusts, why it went without ATS the last time that it did. Written
 * by who attaches the device, one at a time, and read by anybody. */
static const char **refusals;
static unsigned refusal_count;

/* refusal_count: it is not trusted. */
static unsigned index_of(struct pci_address device)
{
    const struct iommu_config *config = vtd_config();
    unsigned n = 0;

    while (n < refusal_count && !pci_address_equal(config->ats[n], device))
        n++;
    return n;
}

int vtd_ats_init(void)
{
    const struct iommu_config *config = vtd_config();

    free(refusals);
    refusals = calloc(config->ats_count + 1, sizeof *refusals);
    refusal_count = refusals ? config->ats_count : 0;
    for (unsigned i = 0; i < refusal_count; i++) {
        refusals[i] = in_no_domain;
        if (!pci_find(config->ats[i]))
            log_warn("ATS: this machine has no function " PCI_FORMAT, PCI_ARGS(config->ats[i]));
    }
    return refusals ? 0 : ERR_NOMEM;
}

bool vtd_ats_is_trusted(struct pci_address device)
{
    return index_of(device) < refusal_count;
}

void vtd_ats_note_refusal(struct pci_address device, const char *why)
{
    atomic_write(&refusals[index_of(device)], why);
}

/* The n-th structure of a type that keeps its rules and is for the device's segment. */
static const struct dmar_structure *find_structure(enum dmar_type type, uint16_t segment, unsigned n)
{
    const struct dmar_table *table = &vtd_dmar()->table;

    for (unsigned i = 0; i < table->count; i++) {
        const struct dmar_structure *structure = &table->structures[i];

        if (structure->type == type && !structure->fault.rule && structure->segment == segment && n-- == 0)
            return structure;
    }
    return NULL;
}

/* An endpoint of the root complex that firmware names as one that has a TLB (8.8). */
static const struct dmar_structure *find_satc(struct pci_address device)
{
    const struct dmar_structure *satc;

    for (unsigned n = 0; (satc = find_structure(DMAR_SATC, device.segment, n)); n++)
        if (dmar_scopes_cover(&satc->scopes, device.segment, device))
            return satc;
    return NULL;
}

bool vtd_ats_is_required(struct pci_address device)
{
    const struct dmar_structure *satc;

    if (vtd_sidp_is_there())
        return vtd_sidp_requires_ats(device);
    satc = find_satc(device);
    return satc && satc->flags & DMAR_SATC_ATC_REQUIRED;
}

static bool has_atsr(struct pci_address root_port)
{
    const struct dmar_structure *atsr;

    for (unsigned n = 0; (atsr = find_structure(DMAR_ATSR, root_port.segment, n)); n++)
        if (atsr->flags & DMAR_ATSR_ALL_PORTS ||
            dmar_scopes_cover(&atsr->scopes, root_port.segment, root_port))
            return true;
    return false;
}

/* The way up of its requests (8.5). Endpoints of the root complex pass no root port: none of its structures
 * says anything against them. */
static const char *refusal_of_path(struct pci_address device)
{
    const struct pci_function *bridge = pci_bridge_above(device), *top = bridge;

    for (; bridge; bridge = pci_bridge_above(bridge->address)) {
        enum pci_express_type type = pci_express_type(bridge->address);

        if (type != PCI_EXPRESS_ROOT_PORT && type != PCI_EXPRESS_UPSTREAM && type != PCI_EXPRESS_DOWNSTREAM)
            return "there is a bridge above it that is no PCI Express port";
        if (pci_acs_blocks_translated(bridge->address))
            return "a port above it stops requests that say that they are translated (ACS Translation "
                   "Blocking)";
        top = bridge;
    }
    if (!top)
        return pci_express_type(device) == PCI_EXPRESS_INTEGRATED
                   ? NULL
                   : "there is no port above it, and it is no endpoint of the root complex";
    if (pci_express_type(top->address) != PCI_EXPRESS_ROOT_PORT)
        return "the topmost bridge above it is no root port";
    return has_atsr(top->address) ? NULL : "no ATSR of the DMAR table names its root port (8.5)";
}

const char *vtd_ats_refusal(const struct vtd_unit *unit, struct pci_address device, unsigned *queue_depth)
{
    struct pci_ats ats;

    if (!pci_ats_find(device, &ats))
        return "it has no ATS capability";
    if (!unit->cap.device_tlb)
        return "its unit knows no TLBs of devices (ECAP.DT)";
    *queue_depth = ats.queue_depth;
    if (!vtd_ats_is_required(device))
        return refusal_of_path(device);
    return unit->scalable
               ? NULL
               : "in legacy mode its ATS is the root complex's own (SATC or SIDP, ATC_REQUIRED, 8.8)";
}

/* Of a device that may have it, and is trusted with it. */
static const char *why_not_now(const struct vtd_unit *unit, struct pci_address device)
{
    const uint64_t *context = vtd_context_find(unit, device);
    const uint64_t entry = context ? atomic_read(&context[0]) : 0;

    if (!vtd_context_is_used(&entry))
        return in_no_domain;
    if (vtd_context_is_retracted(&entry))
        return "it is cut off";
    return vtd_context_has_ats(&entry) ? NULL : atomic_read(&refusals[index_of(device)]);
}

const char *vtd_ats_why_not(const struct vtd_unit *unit, struct pci_address device)
{
    unsigned queue_depth;
    const char *why = vtd_ats_refusal(unit, device, &queue_depth);

    if (why)
        return why;
    if (vtd_device_is_reserved(device))
        return "firmware goes on using it (RMRR)";
    if (vtd_ats_is_trusted(device))
        return why_not_now(unit, device);
    return vtd_ats_is_required(device)
               ? "nobody trusts it with that, and it needs ATS to work (SATC, SIDP, 8.8)"
               : "nobody trusts it with that";
}
