/* SPDX-License-Identifier: BSD-2-Clause */
/* The console's command about PCI. */
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/pci_reset.h"
#include "lib/shell.h"
#include <stdio.h>

/* The base classes and sub-classes that are met most (PCI code and ID assignment specification). */
static const char *class_name(uint32_t class_code)
{
    static const struct {
        uint16_t base_and_sub;
        const char *name;
    } names[] = {
        {0x0100, "SCSI"},       {0x0101, "IDE"},          {0x0104, "RAID"},    {0x0106, "SATA"},
        {0x0108, "NVMe"},       {0x0200, "Ethernet"},     {0x0280, "network"}, {0x0300, "VGA"},
        {0x0302, "3D"},         {0x0380, "display"},      {0x0403, "audio"},   {0x0600, "host bridge"},
        {0x0601, "ISA bridge"}, {0x0604, "PCI bridge"},   {0x0607, "CardBus"}, {0x0700, "serial"},
        {0x0880, "system"},     {0x0c03, "USB"},          {0x0c05, "SMBus"},   {0x1080, "crypto"},
        {0x1180, "signal"},     {0x00ff, "unclassified"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].base_and_sub == class_code >> 8)
            return names[i].name;
    return "";
}

/* Which method a function has when it is reset alone. */
static const char *reset_name(const struct pci_function *function)
{
    if (function->header_type != PCI_HEADER_ENDPOINT)
        return "";
    return pci_reset_name(pci_reset_method(function->address, &function->address, 1));
}

static int command_pci(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    printf("function      vendor device class   DMA  reset   what\n");
    for (unsigned i = 0; pci_function(i); i++) {
        const struct pci_function *f = pci_function(i);
        bool master = pci_read16(f->address, PCI_COMMAND) & PCI_COMMAND_MASTER;

        printf(PCI_FORMAT "  %04x   %04x   %06x  %-3s  %-6s  %s", PCI_ARGS(f->address), f->vendor, f->device,
               (unsigned)f->class_code, master ? "on" : "off", reset_name(f), class_name(f->class_code));
        if (f->secondary_bus)
            printf(" to buses %02x to %02x", f->secondary_bus, f->subordinate_bus);
        printf("\n");
    }
    return 0;
}

SHELL_COMMAND("pci", "", "PCI functions, which may issue DMA, and how each is reset", command_pci);
