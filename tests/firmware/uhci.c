/* SPDX-License-Identifier: BSD-2-Clause */
/* A UHCI controller (Universal Host Controller Interface 1.1) that does DMA without anybody's help: its
 * schedule has nothing to send, and is read again in each frame. */
#include "arch/cpu/io.h"
#include "tests/firmware/firmware.h"
#include <efipciio.h>

enum {
    CLASS_UHCI = 0x0c0300,
    CONFIG_ADDRESS = 0xcf8,
    CONFIG_DATA = 0xcfc,
    PCI_COMMAND_IO_AND_MASTER = 5,
    PCI_BAR_4 = 0x20,
    USBCMD = 0,
    USBCMD_RUN = 1 << 0,
    USBCMD_RESET = 1 << 1,
    USBINTR = 4,
    FRNUM = 6,
    FRBASEADD = 8,
    FRAMES = 1024,
    LINK_END = 1 << 0,
    LINK_QH = 1 << 1,
};

static uint32_t config_address(unsigned device, unsigned function, unsigned offset)
{
    return 1u << 31 | device << 11 | function << 8 | offset;
}

static uint32_t config_read(unsigned device, unsigned function, unsigned offset)
{
    out32(CONFIG_ADDRESS, config_address(device, function, offset));
    return in32(CONFIG_DATA);
}

/* Whoever drives a controller of that kind stops, and does not reset it when boot services end. */
static void disconnect_drivers(void)
{
    EFI_HANDLE *handles;
    UINTN count;

    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &PciIoProtocol, NULL, &count, &handles)))
        give_up(L"no PCI");
    for (UINTN i = 0; i < count; i++) {
        EFI_PCI_IO_PROTOCOL *pci;
        uint32_t class = 0;

        if (!EFI_ERROR(BS->HandleProtocol(handles[i], &PciIoProtocol, (void **)&pci)) &&
            !EFI_ERROR(pci->Pci.Read(pci, EfiPciIoWidthUint32, 8, 1, &class)) && class >> 8 == CLASS_UHCI)
            BS->DisconnectController(handles[i], NULL, NULL);
    }
    BS->FreePool(handles);
}

void uhci_find(struct uhci *uhci)
{
    disconnect_drivers();
    for (unsigned n = 0; n < 32 * 8; n++) {
        if (config_read(n / 8, n % 8, 8) >> 8 != CLASS_UHCI)
            continue;
        *uhci =
            (struct uhci){(uint8_t)(n / 8), n % 8, (uint16_t)(config_read(n / 8, n % 8, PCI_BAR_4) & ~3u)};
        if (!uhci->port)
            give_up(L"the UHCI controller has no registers");
        return;
    }
    give_up(L"no UHCI controller");
}

void uhci_run(const struct uhci *uhci, void *pages)
{
    uint32_t *frames = pages;
    uint32_t *queue_head = frames + PAGE / sizeof *frames;

    for (unsigned i = 0; i < FRAMES; i++)
        frames[i] = (uint32_t)(uintptr_t)queue_head | LINK_QH;
    queue_head[0] = LINK_END;
    queue_head[1] = LINK_END;
    out32(CONFIG_ADDRESS, config_address(uhci->device, uhci->function, 4));
    out16(CONFIG_DATA, PCI_COMMAND_IO_AND_MASTER);
    out16((uint16_t)(uhci->port + USBCMD), USBCMD_RESET);
    BS->Stall(1000);
    out16((uint16_t)(uhci->port + USBCMD), 0);
    out16((uint16_t)(uhci->port + USBINTR), 0);
    out16((uint16_t)(uhci->port + FRNUM), 0);
    out32((uint16_t)(uhci->port + FRBASEADD), (uint32_t)(uintptr_t)frames);
    out16((uint16_t)(uhci->port + USBCMD), USBCMD_RUN);
}
