/* SPDX-License-Identifier: BSD-2-Clause */
/* The files in \lull on the volume that the loader was started from: lull.cfg, and modules. */
#pragma once

#include "boot/loader.h"

#define MODULES_MAX 64

struct files {
    uint64_t config; /* lull.cfg, ended by 0; never without, though it may be empty */
    struct boot_module module[MODULES_MAX];
    unsigned module_count;
};

/* Reads all of them into memory of Lull's and checks lull.cfg. Without the volume, the folder or lull.cfg (a
 * network boot has none) the configuration is empty. Otherwise an error, after saying why:
 * EFI_INVALID_PARAMETER (lull.cfg, or a file's name), EFI_OUT_OF_RESOURCES, or what the firmware reported. */
EFI_STATUS files_read(EFI_HANDLE loader, struct blocks *blocks, struct files *files);
