/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory freed while a unit still caches something that points to it: each kind of entry, and the right
 * order. */
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare_rig.h"
#include "tests/model/scenario.h"

static struct rig rig;

/* All that the unit can cache of the device it does. */
static void start(void)
{
    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, false);
    rig_warm(&rig);
}

/* Translations and table entries go, and nothing else. */
static void invalidate_iotlb(void)
{
    bool done;

    bare_submit(rig.unit, SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_GLOBAL), 0);
    done = bare_wait(rig.unit);
    expect(done);
}

static void free_page_of(const void *address)
{
    pages_free((void *)align_down((uintptr_t)address, PAGE_SIZE));
}

#define WRONG(name, text)                                                                                    \
    SCENARIO(name, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_CACHED, .what = text)

WRONG(target_freed_while_cached, "a page that a translation leads to is freed")
{
    start();
    free_page_of(phys_to_virt(rig.hpa));
}

WRONG(tree_freed_while_attached, "a tree is freed, and the PASID entry that points to it is cached")
{
    start();
    invalidate_iotlb();
    pages_free(rig.root);
}

WRONG(pasid_table_freed_while_cached, "a PASID table is freed, and an entry of it is cached")
{
    start();
    free_page_of(bare_pasid(rig.unit, RIG_SOURCE, 0));
}

WRONG(context_table_freed_while_cached, "a context table is freed, and an entry of it is cached")
{
    start();
    free_page_of(bare_context(rig.unit, RIG_SOURCE));
}

SCENARIO(tables_freed_rightly, .kind = SCENARIO_RANDOM,
         .what = "a device is cut off, everything is invalidated, and then all tables are freed")
{
    const uint64_t *pasid;
    uint64_t *context;

    start();
    schedule_set_calm(false);
    pasid = bare_pasid(rig.unit, RIG_SOURCE, 0);
    context = bare_context(rig.unit, RIG_SOURCE);
    bare_set(rig.unit, context, 0);
    bare_invalidate_all(rig.unit);
    pages_free(rig.root);
    free_page_of(pasid);
}
