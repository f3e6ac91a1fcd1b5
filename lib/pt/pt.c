/* SPDX-License-Identifier: BSD-2-Clause */
/* Making and unmaking a tree: the same for every format. */
#include "lib/pt/pt.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/pt/table.h"
#include "lib/units.h"

int pt_init(struct pt *pt, unsigned levels, unsigned leaf_levels, unsigned address_lg2, unsigned flags)
{
    if (levels < 3 || levels > PT_LEVELS_MAX || address_lg2 > PT_ENTRY_LG2(levels))
        return ERR_INVALID;
    if (leaf_levels != 1 && leaf_levels != 3 && leaf_levels != 7)
        return ERR_INVALID;
    pt->root = pages_alloc(0, PAGE_HYPERVISOR);
    if (!pt->root)
        return ERR_NOMEM;
    pt_table_begin(pt->root, 1); /* so that it is never free to go */
    if (flags & PT_INCOHERENT)
        platform_cache_flush(pt->root, PAGE_SIZE);
    pt->tables = 1;
    pt->open_splits = 0;
    pt->top_level = (uint8_t)(levels - 1);
    pt->leaf_levels = (uint8_t)leaf_levels;
    pt->map_leaf_levels = leaf_levels;
    pt->address_lg2 = (uint8_t)address_lg2;
    pt->flags = (uint8_t)flags;
    return 0;
}

void pt_destroy(struct pt *pt)
{
    if (pt->tables != 1)
        platform_panic("pt_destroy: %u tables below the root", (unsigned)pt->tables - 1);
    pages_free(pt->root);
    pt->root = NULL;
}

int pt_check_range(const struct pt *pt, uint64_t iova, uint64_t last)
{
    if (iova > last || !is_aligned(iova, PAGE_SIZE) || !is_aligned(last + 1, PAGE_SIZE))
        return ERR_INVALID;
    if (last >> pt->address_lg2)
        return ERR_RANGE;
    return 0;
}
