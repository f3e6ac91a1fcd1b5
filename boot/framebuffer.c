/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks the graphics output protocol (UEFI 2.10, 12.9) for the current mode, and leaves it as it is. */
#include "boot/framebuffer.h"
#include "boot/loader.h"

void framebuffer_find(struct boot_framebuffer *framebuffer)
{
    EFI_GRAPHICS_OUTPUT_PROTOCOL *graphics;
    const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode;
    EFI_STATUS status = BS->LocateProtocol(&GraphicsOutputProtocol, NULL, (void **)&graphics);

    if (EFI_ERROR(status) || !graphics->Mode || !graphics->Mode->Info)
        return;
    mode = graphics->Mode;
    if (mode->Info->PixelFormat != PixelRedGreenBlueReserved8BitPerColor &&
        mode->Info->PixelFormat != PixelBlueGreenRedReserved8BitPerColor)
        return;
    *framebuffer = (struct boot_framebuffer){
        .hpa = mode->FrameBufferBase,
        .width = mode->Info->HorizontalResolution,
        .height = mode->Info->VerticalResolution,
        .stride = mode->Info->PixelsPerScanLine,
        .blue_first = mode->Info->PixelFormat == PixelBlueGreenRedReserved8BitPerColor,
    };
}
