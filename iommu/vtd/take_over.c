/* SPDX-License-Identifier: BSD-2-Clause */
/* Each step takes what the one before left: vtd_unit_start() has their order. */
#include "iommu/vtd/take_over.h"
#include "iommu/vtd/descriptor.h"
#include "iommu/vtd/vtd.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/units.h"
#include <inttypes.h>

#define PROTECTED_NS (1 * NS_PER_S)

static const char *mode_name(uint64_t rtaddr)
{
    switch (rtaddr & VTD_RTADDR_TTM) {
    case VTD_RTADDR_TTM_LEGACY:
        return "legacy mode";
    case VTD_RTADDR_TTM_SCALABLE:
        return "scalable mode";
    default:
        return "another mode";
    }
}

void vtd_take_over_look(struct vtd_unit *unit)
{
    uint32_t found = vtd_read32(unit->registers, VTD_GSTS);

    unit->found_on = found & (VTD_GSTS_TES | VTD_GSTS_QIES | VTD_GSTS_IRES);
    unit->found_root = found & VTD_GSTS_TES ? vtd_read64(unit->registers, VTD_RTADDR) : 0;
    unit->found_table = found & VTD_GSTS_IRES ? vtd_read64(unit->registers, VTD_IRTA) : 0;
    if (!unit->found_on)
        return;
    log_info("vtd%u: found on:%s%s%s%s%s%s", unit->index, found & VTD_GSTS_TES ? " translation (" : "",
             found & VTD_GSTS_TES ? mode_name(unit->found_root) : "", found & VTD_GSTS_TES ? ")" : "",
             found & VTD_GSTS_QIES ? " queue" : "", found & VTD_GSTS_IRES ? " interrupt remapping" : "",
             vtd_read32(unit->registers, VTD_FSTS) & VTD_FSTS_PPF ? "; faults are recorded" : "");
    /* They were written over, or will be: of no use to devices that go on. */
    if (found & VTD_GSTS_TES &&
        pages_any_known(unit->found_root & VTD_PAGE_ADDRESS, unit->found_root | (PAGE_SIZE - 1)))
        log_warn("vtd%u: the root table found at %#" PRIx64 " lies in memory that nobody kept", unit->index,
                 (uint64_t)(unit->found_root & VTD_PAGE_ADDRESS));
}

/* The table mode, and which bits of second-stage entries allow access, may change under translation only with
 * CAP.ESRTPS (6.6, 11.4.5). */
bool vtd_take_over_is_live(const struct vtd_unit *unit)
{
    uint64_t mode = unit->scalable ? VTD_RTADDR_TTM_SCALABLE : VTD_RTADDR_TTM_LEGACY;

    if (!(unit->found_on & VTD_GSTS_TES))
        return false;
    return unit->cap.live_mode_change || (unit->found_root & (VTD_RTADDR_TTM | VTD_RTADDR_SSIRWE)) == mode ||
           mutant(MODE_CHANGED_LIVE);
}

bool vtd_take_over_needs_wide_queue(const struct vtd_unit *unit)
{
    return (unit->found_root & VTD_RTADDR_TTM) == VTD_RTADDR_TTM_SCALABLE;
}

/* 11.4.9.5, 11.4.11.5: an event whose message goes to what firmware had there. */
void vtd_take_over_silence(struct vtd_unit *unit)
{
    vtd_write32(unit->registers, VTD_IECTL, VTD_IECTL_IM);
    if (unit->cap.page_requests)
        vtd_write32(unit->registers, VTD_PECTL, VTD_PECTL_IM);
}

static bool is_protected(const struct vtd_unit *unit)
{
    return (unit->cap.protected_low || unit->cap.protected_high) &&
           vtd_read32(unit->registers, VTD_PMEN) & VTD_PMEN_PRS;
}

static int set_protected(struct vtd_unit *unit, bool on)
{
    uint32_t others = vtd_read32(unit->registers, VTD_PMEN) & ~(VTD_PMEN_EPM | VTD_PMEN_PRS); /* RsvdP */

    vtd_write32(unit->registers, VTD_PMEN, others | (on ? VTD_PMEN_EPM : 0));
    if (wait_until(is_protected(unit) == on, PROTECTED_NS))
        return 0;
    log_error("vtd%u: protected memory regions do not go %s", unit->index, on ? "on" : "off");
    return ERR_TIMEOUT;
}

/* All memory can be protected. Not if regions are on: they would have to go off to be changed (11.4.8.2), and
 * firmware may have nothing else that protects what is in them. */
static bool can_protect_all(const struct vtd_unit *unit)
{
    return unit->cap.protected_low && (unit->cap.protected_high || !pages_any_known(4 * GIB, ~0ull)) &&
           !is_protected(unit);
}

static int protect_all(struct vtd_unit *unit)
{
    vtd_write32(unit->registers, VTD_PLMBASE, 0);
    vtd_write32(unit->registers, VTD_PLMLIMIT, ~0u);
    if (unit->cap.protected_high) {
        vtd_write64(unit->registers, VTD_PHMBASE, 4 * GIB);
        vtd_write64(unit->registers, VTD_PHMLIMIT, (1ull << vtd_dmar()->table.host_width_lg2) - 1);
    }
    return set_protected(unit, true);
}

/* The first function behind the unit whose bus mastering is on; NULL if there is none. */
static const struct pci_function *find_master(const struct vtd_unit *unit)
{
    for (unsigned n = 0; pci_function(n); n++)
        if (vtd_unit_of(pci_function(n)->address) == unit && pci_bus_master_is_on(pci_function(n)->address))
            return pci_function(n);
    return NULL;
}

int vtd_take_over_open_gap(struct vtd_unit *unit)
{
    const struct pci_function *master;
    bool protect;
    int error = 0;

    if (!(unit->found_on & VTD_GSTS_TES) || vtd_take_over_is_live(unit))
        return 0;
    protect = can_protect_all(unit);
    master = find_master(unit);
    if (!protect && master) {
        log_error("vtd%u: translation would have to go off, and " PCI_FORMAT " masters the bus", unit->index,
                  PCI_ARGS(master->address));
        return ERR_UNSUPPORTED;
    }
    if (protect)
        error = protect_all(unit);
    if (!error)
        error = vtd_unit_command(unit, VTD_GCMD_TE, false);
    if (!error)
        log_warn("vtd%u: translation is off while its mode changes: %s", unit->index,
                 protect ? "all memory is in protected regions" : "bus mastering is off");
    return error;
}

/* 7.7: a wait with PD completes after all page requests that the unit had received are in their queue. Their
 * memory is whoever's it was; nobody reads them. */
int vtd_take_over_page_requests(struct vtd_unit *unit)
{
    const struct vtd_descriptor wait = vtd_descriptor_page_request_drain();
    int error = 0;

    if (!unit->cap.page_requests || !vtd_read64(unit->registers, VTD_PQA))
        return 0;
    if (unit->cap.page_request_drain)
        error = vtd_queue_run(&unit->queue, &wait, 1);
    if (error)
        return error;
    log_info("vtd%u: page requests, which were found on, are drained and off", unit->index);
    vtd_write64(unit->registers, VTD_PQH, 0);
    vtd_write64(unit->registers, VTD_PQT, 0);
    vtd_write64(unit->registers, VTD_PQA, 0);
    vtd_write32(unit->registers, VTD_PRS, VTD_PRS_PPR | VTD_PRS_PRO);
    return 0;
}

int vtd_take_over_end(struct vtd_unit *unit)
{
    return is_protected(unit) ? set_protected(unit, false) : 0;
}
