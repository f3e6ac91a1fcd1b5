/* SPDX-License-Identifier: BSD-2-Clause */
/* A PCI function's lists of capabilities. A list that runs in a circle or out of its space ends the search.
 */
#include "lib/log.h"
#include "lib/pci.h"

#define FIRST          0x40u /* lists lie behind the header */
#define EXTENDED_FIRST 0x100u
#define EXTENDED_END   0x1000u

/* PCI 3.0, section 6.7. */
unsigned pci_capability(struct pci_address function, uint8_t id)
{
    unsigned pointer = PCI_CAPABILITIES;
    unsigned offset;

    if (!(pci_read16(function, PCI_STATUS) & PCI_STATUS_CAPABILITIES))
        return 0;
    if ((pci_read8(function, PCI_HEADER_TYPE) & 0x7f) == PCI_HEADER_CARDBUS)
        pointer = PCI_CAPABILITIES_CARDBUS;
    offset = pci_read8(function, pointer) & ~3u;
    /* No two capabilities share four bytes, so more of them than fit are a circle. */
    for (unsigned left = (EXTENDED_FIRST - FIRST) / 4; offset >= FIRST; left--) {
        uint32_t header = platform_pci_read32(function, offset);

        /* Ones: the function is not there any more. */
        if (header == ~0u)
            return 0;
        if (!left) {
            log_warn("PCI " PCI_FORMAT ": offset 0x%x: capabilities run in a circle", PCI_ARGS(function),
                     offset);
            return 0;
        }
        if ((uint8_t)header == id)
            return offset;
        offset = header >> 8 & 0xfc;
    }
    return 0;
}

/* PCI Express base specification, section 7.6.3. */
unsigned pci_extended_capability(struct pci_address function, uint16_t id)
{
    unsigned offset = EXTENDED_FIRST;

    for (unsigned left = (EXTENDED_END - EXTENDED_FIRST) / 4; offset >= EXTENDED_FIRST; left--) {
        uint32_t header = platform_pci_read32(function, offset);

        /* Zeros: no list. Ones: extended space is not to be reached. */
        if (header == 0 || header == ~0u)
            return 0;
        if (!left) {
            log_warn("PCI " PCI_FORMAT ": offset 0x%x: capabilities run in a circle", PCI_ARGS(function),
                     offset);
            return 0;
        }
        if ((uint16_t)header == id)
            return offset;
        offset = header >> 20 & 0xffc;
    }
    return 0;
}
