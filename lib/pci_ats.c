/* SPDX-License-Identifier: BSD-2-Clause */
/* Page requests go before ATS, since the answers to them need it (10.4.1, 10.5.1). */
#include "lib/pci_ats.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/units.h"

#define CAPABILITY_ATS 0x0f
#define CAPABILITY_PRI 0x13
#define ATS_CAP        4u
#define ATS_DEPTH      0x1fu /* 0 is 32 */
#define ATS_ALIGNED    (1u << 5)
#define ATS_GLOBAL     (1u << 6)
#define ATS_CONTROL    6u
#define ATS_STU        0x1fu
#define ATS_ENABLE     (1u << 15)
#define PRI_CONTROL    4u
#define PRI_ENABLE     (1u << 0)
#define PRI_STATUS     6u
#define PRI_STOPPED    (1u << 8)
#define STOP_NS        (1 * NS_PER_S)

bool pci_ats_find(struct pci_address function, struct pci_ats *ats)
{
    unsigned offset = pci_extended_capability(function, CAPABILITY_ATS);
    uint16_t cap = offset ? pci_read16(function, offset + ATS_CAP) : 0;

    *ats = (struct pci_ats){
        .queue_depth = cap & ATS_DEPTH ? cap & ATS_DEPTH : ATS_DEPTH + 1,
        .page_aligned = cap & ATS_ALIGNED,
        .all_pasids = cap & ATS_GLOBAL,
    };
    return offset != 0;
}

bool pci_ats_is_on(struct pci_address function)
{
    unsigned ats = pci_extended_capability(function, CAPABILITY_ATS);

    return ats && pci_read16(function, ats + ATS_CONTROL) & ATS_ENABLE;
}

int pci_ats_switch_on(struct pci_address function)
{
    unsigned ats = pci_extended_capability(function, CAPABILITY_ATS);

    if (!ats)
        return ERR_NOT_FOUND;
    platform_pci_write16(function, ats + ATS_CONTROL, ATS_ENABLE);
    if ((pci_read16(function, ats + ATS_CONTROL) & (ATS_ENABLE | ATS_STU)) == ATS_ENABLE)
        return 0;
    (void)pci_ats_switch_off(function);
    return ERR_HARDWARE;
}

/* Returns whether it was on. */
static bool stop_page_requests(struct pci_address function)
{
    unsigned pri = pci_extended_capability(function, CAPABILITY_PRI);
    uint16_t control = pri ? pci_read16(function, pri + PRI_CONTROL) : 0;

    if (!(control & PRI_ENABLE))
        return false;
    platform_pci_write16(function, pri + PRI_CONTROL, (uint16_t)(control & ~PRI_ENABLE));
    /* 10.5.1.2: up when no page request is outstanding any more. */
    if (!wait_until(pci_read16(function, pri + PRI_STATUS) & PRI_STOPPED, STOP_NS))
        log_warn("PCI " PCI_FORMAT ": page requests do not stop", PCI_ARGS(function));
    return true;
}

bool pci_ats_switch_off(struct pci_address function)
{
    bool was_on = stop_page_requests(function);
    unsigned ats = pci_extended_capability(function, CAPABILITY_ATS);
    uint16_t control = ats ? pci_read16(function, ats + ATS_CONTROL) : 0;

    if (!(control & ATS_ENABLE))
        return was_on;
    platform_pci_write16(function, ats + ATS_CONTROL, (uint16_t)(control & ~ATS_ENABLE));
    if (pci_ats_is_on(function))
        log_warn("PCI " PCI_FORMAT ": ATS cannot be switched off", PCI_ARGS(function));
    return true;
}
