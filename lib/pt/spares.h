/* SPDX-License-Identifier: BSD-2-Clause */
/* Empty tables, allocated before a read section for use inside it. */
#pragma once

#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pt/pt.h"

/* What one step may need: a path from below the root to level 0; or two edges of a range, each through leaves
 * of levels 2 and 1. */
#define PT_SPARES_MAX (PT_LEVELS_MAX - 1)

struct pt_spares {
    uint64_t *tables[PT_SPARES_MAX];
    unsigned count;
};

static inline void pt_spares_free(struct pt_spares *spares)
{
    while (spares->count)
        pages_free(spares->tables[--spares->count]);
}

/* There are count of them, or ERR_NOMEM. Outside read sections. */
static inline int pt_spares_fill(struct pt_spares *spares, unsigned count)
{
    while (spares->count < count) {
        uint64_t *table = pages_alloc(0, PAGE_HYPERVISOR);

        if (!table)
            return ERR_NOMEM;
        spares->tables[spares->count++] = table;
    }
    return 0;
}
