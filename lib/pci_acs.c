/* SPDX-License-Identifier: BSD-2-Clause */
/* ACS: on everywhere, and whether it is. */
#include "lib/pci_acs.h"
#include "lib/log.h"
#include "lib/pci.h"
#include <stdint.h>

#define CAPABILITY_ACS 0x0d

/* Offsets in the capability, and bits of both registers. */
enum {
    ACS_CAP = 4,
    ACS_CONTROL = 6,
    ACS_SOURCE_VALIDATION = 1 << 0,
    ACS_TRANSLATION_BLOCKING = 1 << 1,
    ACS_REQUEST_REDIRECT = 1 << 2,
    ACS_COMPLETION_REDIRECT = 1 << 3,
    ACS_UPSTREAM_FORWARDING = 1 << 4,
    ACS_EGRESS_CONTROL = 1 << 5,
    ACS_DIRECT_TRANSLATED = 1 << 6,
};

#define ACS_WANTED                                                                                           \
    (ACS_SOURCE_VALIDATION | ACS_REQUEST_REDIRECT | ACS_COMPLETION_REDIRECT | ACS_UPSTREAM_FORWARDING)
/* With egress control, requests that its vector lets pass go to the peer although redirection is on; with the
 * other, those that say that they are translated (6.12.3). */
#define ACS_UNWANTED (ACS_EGRESS_CONTROL | ACS_DIRECT_TRANSLATED)

/* Its offset; 0: there is none, or none that means something. Where there is no PCI Express, extended space
 * may be anything. */
static unsigned find_acs(struct pci_address function)
{
    enum pci_express_type type = pci_express_type(function);
    bool bridge_to_pci =
        type == PCI_EXPRESS_TO_PCI || type == PCI_EXPRESS_FROM_PCI || type == PCI_EXPRESS_NONE;

    return bridge_to_pci ? 0 : pci_extended_capability(function, CAPABILITY_ACS);
}

/* What a function lacks of the wanted it cannot do otherwise: a feature that is not to be switched is either
 * always on or has nothing to act on (7.7.11.2). */
static uint16_t control_wanted(struct pci_address function, unsigned acs)
{
    return pci_read16(function, acs + ACS_CAP) & ACS_WANTED;
}

void pci_acs_enable(struct pci_address function)
{
    unsigned acs = find_acs(function);
    uint16_t control;

    if (!acs)
        return;
    control = pci_read16(function, acs + ACS_CONTROL) & (uint16_t)~ACS_UNWANTED;
    platform_pci_write16(function, acs + ACS_CONTROL, control | control_wanted(function, acs));
    if (!pci_acs_redirects(function))
        log_warn("PCI " PCI_FORMAT ": ACS does not stay on", PCI_ARGS(function));
}

void pci_acs_enable_all(void)
{
    unsigned count = 0;

    for (unsigned i = 0; pci_function(i); i++) {
        pci_acs_enable(pci_function(i)->address);
        count += pci_acs_redirects(pci_function(i)->address);
    }
    if (pci_function(0))
        log_info("PCI: ACS is on in %u functions", count);
}

bool pci_acs_redirects(struct pci_address function)
{
    unsigned acs = find_acs(function);
    uint16_t control;

    if (!acs)
        return false;
    control = pci_read16(function, acs + ACS_CONTROL);
    return (control & (control_wanted(function, acs) | ACS_UNWANTED)) == control_wanted(function, acs);
}

bool pci_acs_blocks_translated(struct pci_address function)
{
    unsigned acs = find_acs(function);

    return acs && pci_read16(function, acs + ACS_CONTROL) & ACS_TRANSLATION_BLOCKING;
}
