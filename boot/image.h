/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's image, an ELF file inside the loader's own. */
#pragma once

#include "boot/loader.h"
#include "boot/tables.h"

struct image {
    uint64_t hpa;   /* where it lies now: one run of pages, zeroed where the file says nothing */
    uint64_t bytes; /* whole pages */
    uint64_t entry; /* virtual */
};

/* Unpacks it into memory of Lull's, anywhere. EFI_LOAD_ERROR: the image is damaged. EFI_OUT_OF_RESOURCES. */
EFI_STATUS image_load(struct blocks *blocks, struct image *image);

/* Maps each of its segments at its address, with its own rights. False when the pool is used up. */
bool image_map(const struct image *image, struct tables *tables, uint64_t root) MUST_CHECK;
