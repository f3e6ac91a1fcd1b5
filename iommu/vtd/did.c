/* SPDX-License-Identifier: BSD-2-Clause */
/* Domain ids. The search goes on where the last one ended, so that an id rests as long as can be. */
#include "iommu/vtd/did.h"
#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/spinlock.h"
#include <stdlib.h>

static struct spinlock lock;
static uint64_t *used;
static uint32_t total;
static uint32_t newest;

int vtd_did_init(uint32_t count)
{
    free(used);
    used = calloc(bitmap_words(count), sizeof *used);
    total = count;
    newest = 0;
    if (used)
        return 0;
    log_error("vtd: no memory for %u domain ids", count);
    return ERR_NOMEM;
}

/* 1 to total - 1, and round again. */
static uint32_t after(uint32_t did)
{
    return did + 1 < total ? did + 1 : 1;
}

uint16_t vtd_did_alloc(void)
{
    uint32_t did;

    spin_lock(&lock);
    did = after(newest);
    for (uint32_t tried = 1; tried < total && bitmap_test(used, did); tried++)
        did = after(did);
    if (bitmap_test(used, did)) {
        did = 0;
    } else {
        bitmap_set(used, did);
        newest = did;
    }
    spin_unlock(&lock);
    return (uint16_t)did;
}

void vtd_did_free(uint16_t did)
{
    bitmap_clear(used, did);
}
