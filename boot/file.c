/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads files through UEFI's simple file system protocol (UEFI 2.10, 13.4 and 13.5). */
#include "boot/file.h"
#include "lib/compiler.h"
#include "lib/config.h"
#include "lib/units.h"
#include <string.h>

#define CONFIG_BYTES_MAX (64 * KIB)

/* Some firmware fails when it is asked for very much at once. */
#define READ_BYTES_MAX (4 * MIB)

/* Room for a directory entry with a name of 255 characters. */
union entry {
    EFI_FILE_INFO info;
    uint8_t bytes[sizeof(EFI_FILE_INFO) + 256 * sizeof(CHAR16)];
};

/* *folder stays NULL where there is none. */
static EFI_STATUS open_folder(EFI_HANDLE loader, EFI_FILE_HANDLE *folder)
{
    static CHAR16 path[] = L"\\lull";
    EFI_LOADED_IMAGE *image;
    EFI_FILE_IO_INTERFACE *volume;
    EFI_FILE_HANDLE root;
    EFI_STATUS status;

    *folder = NULL;
    status = BS->HandleProtocol(loader, &LoadedImageProtocol, (void **)&image);
    if (EFI_ERROR(status))
        return fail(status, "firmware does not say where the loader came from: %r", status);
    status = BS->HandleProtocol(image->DeviceHandle, &FileSystemProtocol, (void **)&volume);
    if (EFI_ERROR(status))
        return EFI_SUCCESS;
    status = volume->OpenVolume(volume, &root);
    if (EFI_ERROR(status))
        return fail(status, "the volume that Lull was started from cannot be opened: %r", status);
    status = root->Open(root, folder, path, EFI_FILE_MODE_READ, 0);
    root->Close(root);
    if (status == EFI_NOT_FOUND) {
        *folder = NULL;
        return EFI_SUCCESS;
    }
    return EFI_ERROR(status) ? fail(status, "\\lull cannot be opened: %r", status) : EFI_SUCCESS;
}

/* Reads a whole file, with a 0 behind it. */
static EFI_STATUS read_file(EFI_FILE_HANDLE folder, EFI_FILE_INFO *info, struct blocks *blocks, uint64_t *hpa)
{
    EFI_FILE_HANDLE file;
    EFI_STATUS status;

    status = block_alloc(blocks, EfiLoaderData, info->FileSize + 1, HIGHEST_ADDRESS, hpa);
    if (EFI_ERROR(status))
        return fail(status, "\\lull\\%s: no memory for its %ld bytes", info->FileName, info->FileSize);
    status = folder->Open(folder, &file, info->FileName, EFI_FILE_MODE_READ, 0);
    if (EFI_ERROR(status))
        return fail(status, "\\lull\\%s cannot be opened: %r", info->FileName, status);
    for (uint64_t done = 0; done < info->FileSize && !EFI_ERROR(status);) {
        UINTN bytes = info->FileSize - done;

        if (bytes > READ_BYTES_MAX)
            bytes = READ_BYTES_MAX;
        status = file->Read(file, &bytes, at(*hpa + done));
        if (!EFI_ERROR(status) && bytes == 0)
            status = EFI_END_OF_FILE;
        done += bytes;
    }
    file->Close(file);
    return EFI_ERROR(status) ? fail(status, "\\lull\\%s cannot be read: %r", info->FileName, status)
                             : EFI_SUCCESS;
}

static EFI_STATUS read_config(EFI_FILE_HANDLE folder, EFI_FILE_INFO *info, struct blocks *blocks,
                              struct files *files)
{
    const char *why;
    unsigned line;
    EFI_STATUS status;

    if (info->FileSize > CONFIG_BYTES_MAX)
        return fail(EFI_INVALID_PARAMETER, "lull.cfg has more than %d bytes", (INT32)CONFIG_BYTES_MAX);
    status = read_file(folder, info, blocks, &files->config);
    if (EFI_ERROR(status))
        return status;
    if (strlen(at(files->config)) != info->FileSize)
        return fail(EFI_INVALID_PARAMETER, "lull.cfg has a byte that is 0: not a plain text");
    if (config_check(at(files->config), &line, &why))
        return fail(EFI_INVALID_PARAMETER, "lull.cfg, line %d: %a", line, why);
    return EFI_SUCCESS;
}

static EFI_STATUS read_module(EFI_FILE_HANDLE folder, EFI_FILE_INFO *info, struct blocks *blocks,
                              struct files *files)
{
    struct boot_module *module = &files->module[files->module_count];
    size_t length = StrLen(info->FileName);

    if (files->module_count == MODULES_MAX)
        return fail(EFI_INVALID_PARAMETER, "\\lull has more than %d files", MODULES_MAX);
    if (length >= sizeof(module->name))
        return fail(EFI_INVALID_PARAMETER, "\\lull\\%s: the name has more than %d characters", info->FileName,
                    (INT32)sizeof(module->name) - 1);
    for (size_t i = 0; i < length; i++) {
        if (info->FileName[i] < ' ' || info->FileName[i] > '~')
            return fail(EFI_INVALID_PARAMETER, "\\lull\\%s: the name is not plain ASCII", info->FileName);
        module->name[i] = (char)info->FileName[i];
    }
    module->name[length] = 0;
    module->bytes = info->FileSize;
    files->module_count++;
    return read_file(folder, info, blocks, &module->hpa);
}

static EFI_STATUS read_folder(EFI_FILE_HANDLE folder, struct blocks *blocks, struct files *files)
{
    static union entry entry;

    for (;;) {
        UINTN bytes = sizeof(entry);
        EFI_STATUS status = folder->Read(folder, &bytes, &entry);

        if (EFI_ERROR(status))
            return fail(status, "\\lull cannot be listed: %r", status);
        if (bytes == 0)
            return EFI_SUCCESS;
        if (entry.info.Attribute & EFI_FILE_DIRECTORY)
            continue;
        if (StriCmp(entry.info.FileName, L"lull.cfg") == 0)
            status = read_config(folder, &entry.info, blocks, files);
        else
            status = read_module(folder, &entry.info, blocks, files);
        if (EFI_ERROR(status))
            return status;
    }
}

EFI_STATUS files_read(EFI_HANDLE loader, struct blocks *blocks, struct files *files)
{
    EFI_FILE_HANDLE folder;
    EFI_STATUS status = open_folder(loader, &folder);

    if (!EFI_ERROR(status) && folder) {
        status = read_folder(folder, blocks, files);
        folder->Close(folder);
    }
    if (EFI_ERROR(status) || files->config)
        return status;
    say("no \\lull\\lull.cfg where Lull was started from: everything is as by default");
    status = block_alloc(blocks, EfiLoaderData, 1, HIGHEST_ADDRESS, &files->config);
    return EFI_ERROR(status) ? fail(status, "no memory for an empty configuration") : EFI_SUCCESS;
}
