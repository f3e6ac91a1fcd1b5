/* SPDX-License-Identifier: BSD-2-Clause */
/* What the loader hands to the hypervisor: the one header of boot/ that others include. All addresses are
 * physical, and all that they point to lies in memory of type BOOT_MEMORY_LULL. */
#pragma once

#include <stdint.h>

#define BOOT_INFO_MAGIC 0x6f666e6c6c756cull /* "lullnfo" */

enum boot_memory_type {
    BOOT_MEMORY_FREE,         /* nobody's: the allocator takes it */
    BOOT_MEMORY_LULL,         /* the image, the tables, this structure and what it points to */
    BOOT_MEMORY_ACPI,         /* ACPI tables, and firmware's non-volatile storage */
    BOOT_MEMORY_RUNTIME,      /* code and data of the firmware's runtime services */
    BOOT_MEMORY_RUNTIME_MMIO, /* device registers that the runtime services use */
    BOOT_MEMORY_RESERVED,     /* firmware's; RMRRs must lie here */
};

struct boot_memory {
    uint64_t hpa;
    uint64_t end; /* exclusive */
    uint64_t type;
};

struct boot_module {
    uint64_t hpa;
    uint64_t bytes;
    char name[48]; /* the file's name in \lull, ends with 0 */
};

struct boot_info {
    uint64_t magic;
    uint64_t image; /* where the hypervisor's image lies; contiguous */
    uint64_t image_end;
    uint64_t page_tables; /* the root in CR3, below 4 GiB so that a starting CPU can load it */
    uint64_t ap_start;    /* one page below 1 MiB, mapped 1:1, for starting the other CPUs */
    uint64_t rsdp;        /* 0: firmware has no ACPI */
    uint64_t dmar;        /* the DMAR, copied, after the loader's dmar_poke; 0: there is none */
    uint64_t dmar_bytes;
    uint64_t runtime_services; /* EFI_RUNTIME_SERVICES */
    uint64_t runtime_tables; /* a root that maps the runtime regions 1:1, and the kernel's half as CR3 does */
    uint64_t config;         /* lull.cfg, checked by the loader, ends with 0 */
    uint64_t memory;         /* struct boot_memory[], sorted, no overlaps */
    uint64_t memory_count;
    uint64_t modules; /* struct boot_module[] */
    uint64_t module_count;
    /* Another Lull, ready to be started by this one (lull.cfg: chain): its struct boot_info; 0: there is
     * none. It has the same image elsewhere, and memory that is reserved for this one, as this one's is for
     * it. */
    uint64_t next;
};
