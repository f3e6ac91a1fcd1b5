/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what is wished for, does it, and starts \EFI\BOOT\LULL.EFI. */
#include "tests/firmware/firmware.h"
#include <string.h>

#define CONFIG_BYTES 256

static EFI_HANDLE self;

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

void give_up(const CHAR16 *why)
{
    say("gives up: %s", why);
    BS->Stall(1000000);
    BS->Exit(self, EFI_UNSUPPORTED, 0, NULL);
    for (;;)
        ;
}

void *take_pages(EFI_MEMORY_TYPE type, unsigned count)
{
    EFI_PHYSICAL_ADDRESS hpa = 0xffffffff;

    if (EFI_ERROR(BS->AllocatePages(AllocateMaxAddress, type, count, &hpa)))
        give_up(L"no memory");
    memset((void *)hpa, 0, count * PAGE);
    return (void *)hpa;
}

static EFI_HANDLE own_volume(void)
{
    EFI_LOADED_IMAGE *image;

    if (EFI_ERROR(BS->HandleProtocol(self, &LoadedImageProtocol, (void **)&image)))
        give_up(L"not loaded from anywhere");
    return image->DeviceHandle;
}

/* The words of the file; empty where it is not there. */
static void read_config(char text[CONFIG_BYTES])
{
    static CHAR16 path[] = L"\\lull\\firmware.cfg";
    EFI_FILE_IO_INTERFACE *volume;
    EFI_FILE_HANDLE root, file;
    UINTN bytes = CONFIG_BYTES - 1;

    memset(text, 0, CONFIG_BYTES);
    if (EFI_ERROR(BS->HandleProtocol(own_volume(), &FileSystemProtocol, (void **)&volume)) ||
        EFI_ERROR(volume->OpenVolume(volume, &root)) ||
        EFI_ERROR(root->Open(root, &file, path, EFI_FILE_MODE_READ, 0)))
        return;
    if (EFI_ERROR(file->Read(file, &bytes, text)))
        give_up(L"firmware.cfg cannot be read");
    file->Close(file);
}

static bool has_word(const char *text, const char *word)
{
    UINTN bytes = strlena((const CHAR8 *)word);

    for (; *text; text++)
        if (memcmp(text, word, bytes) == 0 && (text[bytes] == ' ' || text[bytes] == 0))
            return true;
    return false;
}

static void start_lull(void)
{
    static CHAR16 path[] = L"\\EFI\\BOOT\\LULL.EFI";
    EFI_HANDLE lull;
    EFI_STATUS status = BS->LoadImage(FALSE, self, FileDevicePath(own_volume(), path), NULL, 0, &lull);

    if (!EFI_ERROR(status))
        status = BS->StartImage(lull, NULL, NULL);
    say("Lull came back: %r", status);
}

/* Called by GNU-EFI's start-up code, by the calling convention of System V. */
EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    char text[CONFIG_BYTES];
    struct wishes wishes;
    volatile uint8_t *unit;

    self = handle;
    InitializeLib(handle, system);
    read_config(text);
    wishes = (struct wishes){
        .legacy = has_word(text, "legacy"),
        .scalable = has_word(text, "scalable"),
        .queue = has_word(text, "queue"),
        .interrupts = has_word(text, "interrupts"),
        .rmrr = has_word(text, "rmrr"),
        .ordinary = has_word(text, "ordinary"),
    };
    unit = dmar_first_unit();
    if (wishes.rmrr) {
        struct uhci uhci;
        uint8_t *pages = take_pages(wishes.ordinary ? EfiLoaderData : EfiReservedMemoryType, 2);

        uhci_find(&uhci);
        dmar_add_rmrr((uint64_t)pages, (uint64_t)pages + 2 * PAGE - 1, &uhci);
        uhci_run(&uhci, pages);
    }
    vtd_leave_on(unit, &wishes);
    start_lull();
    return EFI_SUCCESS;
}
