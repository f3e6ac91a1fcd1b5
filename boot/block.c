/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory that the loader takes for Lull: recorded, so that the memory map can say what is Lull's, and so
 * that a start that fails leaves nothing behind. */
#include "boot/loader.h"
#include "lib/units.h"
#include <string.h>

EFI_STATUS block_alloc(struct blocks *blocks, EFI_MEMORY_TYPE type, uint64_t bytes, uint64_t highest,
                       uint64_t *hpa)
{
    EFI_PHYSICAL_ADDRESS address = highest;
    uint64_t pages = align_up(bytes, PAGE_SIZE) / PAGE_SIZE;

    if (blocks->count == BLOCKS_MAX)
        return EFI_OUT_OF_RESOURCES;
    if (EFI_ERROR(BS->AllocatePages(AllocateMaxAddress, type, pages, &address)))
        return EFI_OUT_OF_RESOURCES;
    memset(at(address), 0, pages * PAGE_SIZE);
    blocks->block[blocks->count++] = (struct block){address, pages};
    *hpa = address;
    return EFI_SUCCESS;
}

void block_free(struct blocks *blocks, uint64_t hpa)
{
    for (unsigned i = 0; i < blocks->count; i++) {
        if (blocks->block[i].hpa != hpa)
            continue;
        BS->FreePages(hpa, blocks->block[i].pages);
        blocks->block[i] = blocks->block[--blocks->count];
        return;
    }
}

void blocks_free(struct blocks *blocks)
{
    while (blocks->count > 0)
        block_free(blocks, blocks->block[blocks->count - 1].hpa);
}
