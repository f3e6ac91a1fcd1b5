/* SPDX-License-Identifier: BSD-2-Clause */
/* Base address registers (PCI 3.0, section 6.2.5): what a function decodes, and mapping that. */
#include "arch/cpu/paging.h"
#include "arch/platform/memory_map.h"
#include "arch/platform/pci.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"

#define BAR_IO           (1u << 0)
#define BAR_IO_MASK      (~3u)
#define BAR_TYPE         (3u << 1)
#define BAR_TYPE_64      (2u << 1)
#define BAR_PREFETCHABLE (1u << 3)
#define BAR_MEMORY_MASK  (~15ull)

static unsigned bar_count(struct pci_address function)
{
    switch (pci_read8(function, PCI_HEADER_TYPE) & 0x7f) {
    case PCI_HEADER_ENDPOINT:
        return 6;
    case PCI_HEADER_BRIDGE:
        return 2;
    case PCI_HEADER_CARDBUS:
        return 1;
    default:
        return 0;
    }
}

static bool is_64bit(uint32_t low)
{
    return !(low & BAR_IO) && (low & BAR_TYPE) == BAR_TYPE_64;
}

/* False when index is none, or the upper half of the BAR before it. */
static bool is_bar(struct pci_address function, unsigned index)
{
    unsigned count = bar_count(function);

    for (unsigned i = 0; i <= index && i < count; i++) {
        if (i == index)
            return true;
        i += is_64bit(platform_pci_read32(function, PCI_BAR + 4 * i));
    }
    return false;
}

/* Writes ones, reads which of them stay, and puts the old value back. */
static uint32_t probe(struct pci_address function, unsigned offset, uint32_t old)
{
    uint32_t mask;

    platform_pci_write32(function, offset, ~0u);
    mask = platform_pci_read32(function, offset);
    platform_pci_write32(function, offset, old);
    return mask;
}

/* What an address register decodes, from its value and from the bits that can be set in it. */
static void decode(struct pci_bar *bar, uint64_t value, uint64_t mask)
{
    bar->io = value & BAR_IO;
    bar->is_64bit = is_64bit((uint32_t)value);
    bar->prefetchable = !bar->io && (value & BAR_PREFETCHABLE);
    if (bar->io) {
        /* A function may leave bits 16 and up out: ports are 16 bits. */
        bar->address = value & BAR_IO_MASK & 0xffff;
        mask &= BAR_IO_MASK & 0xffff;
    } else {
        bar->address = value & BAR_MEMORY_MASK;
        mask &= BAR_MEMORY_MASK;
    }
    bar->bytes = mask & -mask;
}

int pci_bar(struct pci_address function, unsigned index, struct pci_bar *bar)
{
    unsigned offset = PCI_BAR + 4 * index;
    const uint16_t decoding = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
    uint16_t command;
    uint32_t low, high = 0;
    uint64_t mask;

    if (!is_bar(function, index))
        return ERR_INVALID;
    low = platform_pci_read32(function, offset);
    if (is_64bit(low) && index + 1 == bar_count(function)) {
        log_warn("PCI " PCI_FORMAT ": BAR %u has no upper half", PCI_ARGS(function), index);
        return ERR_MALFORMED;
    }
    /* With all ones in it the BAR would decode what belongs to others. */
    command = pci_command_change(function, decoding, 0);
    mask = probe(function, offset, low);
    if (is_64bit(low)) {
        high = platform_pci_read32(function, offset + 4);
        mask |= (uint64_t)probe(function, offset + 4, high) << 32;
    }
    (void)pci_command_change(function, 0, command & decoding);
    decode(bar, (uint64_t)high << 32 | low, mask);
    return bar->bytes && bar->address ? 0 : ERR_NOT_FOUND;
}

int pci_bar_map(struct pci_address function, unsigned index, volatile void **registers, uint64_t *bytes)
{
    struct pci_bar bar;
    int error = pci_bar(function, index, &bar);

    if (error)
        return error;
    if (bar.io)
        return ERR_UNSUPPORTED;
    if (memory_map_is_memory(bar.address, bar.bytes)) {
        log_error("PCI " PCI_FORMAT ": BAR %u at 0x%lx lies over memory", PCI_ARGS(function), index,
                  (unsigned long)bar.address);
        return ERR_FORBIDDEN;
    }
    *registers = paging_map_mmio(bar.address, bar.bytes);
    if (!*registers)
        return ERR_NOMEM;
    (void)pci_command_change(function, 0, PCI_COMMAND_MEMORY);
    if (bytes)
        *bytes = bar.bytes;
    return 0;
}
