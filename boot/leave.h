/* SPDX-License-Identifier: BSD-2-Clause */
/* The way out of boot services into the hypervisor. */
#pragma once

#include "boot/image.h"
#include "boot/loader.h"

/* True if this CPU can run Lull; says what it lacks. */
bool leave_possible(void);

/* A Lull that is about to be started: the first one, or the one that it can hand over to. */
struct instance {
    struct boot_info *info; /* all of it but page_tables, runtime_tables, memory and memory_count */
    struct image image;
    uint64_t memory_hpa; /* what is free for it alone; of the first one nothing: it has what is left */
    uint64_t memory_end;
};

/* Ends boot services and jumps to the first of count (1 or 2) instances. Returns only when that failed, after
 * saying why; boot services may then be half gone, as firmware likes. */
EFI_STATUS leave(EFI_HANDLE loader, struct blocks *blocks, const struct instance *instances, unsigned count);
