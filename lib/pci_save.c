/* SPDX-License-Identifier: BSD-2-Clause */
/* Saves and restores configuration space (PCI 3.0, 6.1; PCI to PCI bridges, 3.2; PCI Express, 7.5). */
#include "lib/pci_save.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/pci_acs.h"

#define HEADER_CACHE_LINE      0x0c /* and latency timer; what is above them stays */
#define ROM                    0x30
#define INTERRUPT_LINE         0x3c /* and its pin, which is fixed */
#define BRIDGE_IO              0x1c /* the status above it is cleared by ones */
#define BRIDGE_WINDOWS         0x20 /* four words: memory, prefetchable, and its upper halves */
#define BRIDGE_IO_UPPER        0x30
#define BRIDGE_ROM             0x38
#define BRIDGE_CONTROL         0x3e
#define BRIDGE_BUS_RESET       (1u << 6)
#define EXPRESS_LINK           0x10  /* control */
#define EXPRESS_LINK_ACTS      0x30u /* retrain, and link off */
#define EXPRESS_FUNCTION_RESET (1u << 15)
#define CAPABILITY_MSI         0x05
#define CAPABILITY_MSI_X       0x11
#define MESSAGE_CONTROL        2
#define MSI_ENABLE             (1u << 0)
#define MSI_X_ENABLE           (1u << 15)

static uint32_t word(const struct pci_saved *saved, unsigned offset)
{
    return saved->header[offset / 4];
}

static bool is_bridge(const struct pci_saved *saved)
{
    return (word(saved, HEADER_CACHE_LINE) >> 16 & 0x7f) == PCI_HEADER_BRIDGE;
}

static unsigned bar_count(const struct pci_saved *saved)
{
    return is_bridge(saved) ? 2 : 6;
}

/* Version 1 of the capability ends before it. */
static bool has_control_2(struct pci_address function, unsigned express)
{
    return (pci_read16(function, express + PCI_EXPRESS_FLAGS) & 15) >= 2;
}

/* What pci_scan() has read there. */
static uint32_t known_id(struct pci_address address)
{
    const struct pci_function *function = pci_find(address);

    return function ? (uint32_t)function->device << 16 | function->vendor : ~0u;
}

int pci_save(struct pci_address function, struct pci_saved *saved)
{
    unsigned express = pci_capability(function, PCI_CAPABILITY_EXPRESS);

    *saved = (struct pci_saved){.function = function};
    for (unsigned i = 0; i < ARRAY_SIZE(saved->header); i++)
        saved->header[i] = platform_pci_read32(function, 4 * i);
    if (word(saved, PCI_ID) == ~0u || word(saved, PCI_ID) != known_id(function)) {
        log_error("PCI " PCI_FORMAT ": was %08x at start, and is %08x", PCI_ARGS(function),
                  (unsigned)known_id(function), (unsigned)word(saved, PCI_ID));
        return ERR_HARDWARE;
    }
    if (!express)
        return 0;
    saved->express_control = pci_read16(function, express + PCI_EXPRESS_CONTROL);
    saved->express_link = pci_read16(function, express + EXPRESS_LINK);
    if (has_control_2(function, express))
        saved->express_control_2 = pci_read16(function, express + PCI_EXPRESS_CONTROL_2);
    return 0;
}

static void put_back(const struct pci_saved *saved, unsigned offset)
{
    platform_pci_write32(saved->function, offset, word(saved, offset));
}

static void restore_bridge(const struct pci_saved *saved)
{
    unsigned control = word(saved, INTERRUPT_LINE) >> 16 & ~BRIDGE_BUS_RESET;

    put_back(saved, PCI_BUSES);
    platform_pci_write16(saved->function, BRIDGE_IO, (uint16_t)word(saved, BRIDGE_IO));
    for (unsigned i = 0; i < 4; i++)
        put_back(saved, BRIDGE_WINDOWS + 4 * i);
    put_back(saved, BRIDGE_IO_UPPER);
    put_back(saved, BRIDGE_ROM);
    platform_pci_write16(saved->function, BRIDGE_CONTROL, (uint16_t)control);
}

static void restore_express(const struct pci_saved *saved)
{
    struct pci_address function = saved->function;
    unsigned express = pci_capability(function, PCI_CAPABILITY_EXPRESS);

    if (!express)
        return;
    platform_pci_write16(function, express + PCI_EXPRESS_CONTROL,
                         saved->express_control & (uint16_t)~EXPRESS_FUNCTION_RESET);
    platform_pci_write16(function, express + EXPRESS_LINK,
                         saved->express_link & (uint16_t)~EXPRESS_LINK_ACTS);
    if (has_control_2(function, express))
        platform_pci_write16(function, express + PCI_EXPRESS_CONTROL_2, saved->express_control_2);
}

/* A reset does this; but not all that calls itself one. */
static void messages_off(struct pci_address function, uint8_t id, unsigned enable)
{
    unsigned offset = pci_capability(function, id);

    if (offset)
        platform_pci_write16(function, offset + MESSAGE_CONTROL,
                             (uint16_t)(pci_read16(function, offset + MESSAGE_CONTROL) & ~enable));
}

static int check_restored(const struct pci_saved *saved)
{
    for (unsigned i = 0; i < bar_count(saved); i++) {
        unsigned offset = PCI_BAR + 4 * i;
        uint32_t found = platform_pci_read32(saved->function, offset);

        if (found == word(saved, offset))
            continue;
        log_error("PCI " PCI_FORMAT ": after a reset BAR %u is 0x%x and not 0x%x", PCI_ARGS(saved->function),
                  i, (unsigned)found, (unsigned)word(saved, offset));
        return ERR_HARDWARE;
    }
    return 0;
}

int pci_restore(const struct pci_saved *saved)
{
    struct pci_address function = saved->function;
    uint32_t id = platform_pci_read32(function, PCI_ID);
    uint16_t command = (uint16_t)word(saved, PCI_COMMAND) & (uint16_t)~PCI_COMMAND_MASTER;
    int error;

    if (id != word(saved, PCI_ID)) {
        log_error("PCI " PCI_FORMAT ": was %08x before a reset, and is %08x", PCI_ARGS(function),
                  (unsigned)word(saved, PCI_ID), (unsigned)id);
        return ERR_HARDWARE;
    }
    platform_pci_write16(function, HEADER_CACHE_LINE, (uint16_t)word(saved, HEADER_CACHE_LINE));
    for (unsigned i = 0; i < bar_count(saved); i++)
        put_back(saved, PCI_BAR + 4 * i);
    if (is_bridge(saved))
        restore_bridge(saved);
    else
        put_back(saved, ROM);
    platform_pci_write16(function, INTERRUPT_LINE, (uint16_t)word(saved, INTERRUPT_LINE));
    restore_express(saved);
    messages_off(function, CAPABILITY_MSI, MSI_ENABLE);
    messages_off(function, CAPABILITY_MSI_X, MSI_X_ENABLE);
    pci_acs_enable(function);
    error = check_restored(saved);
    if (!error)
        platform_pci_write16(function, PCI_COMMAND, command);
    return error;
}
