/* SPDX-License-Identifier: BSD-2-Clause */
/* The way out of boot services into the hypervisor. */
#pragma once

#include "boot/image.h"
#include "boot/loader.h"

/* True if this CPU can run Lull; says what it lacks. */
bool leave_possible(void);

/* Ends boot services and jumps. All of info is filled in but page_tables, runtime_tables, memory and
 * memory_count. Returns only when that failed, after saying why; boot services may then be half gone, as
 * firmware likes. */
EFI_STATUS leave(EFI_HANDLE loader, struct blocks *blocks, struct boot_info *info, const struct image *image);
