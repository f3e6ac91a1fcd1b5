/* SPDX-License-Identifier: BSD-2-Clause */
/* Context and PASID entries that change: caches that are not told, or in the wrong order. */
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare_rig.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

static struct rig rig;

static void submit_and_wait(void)
{
    bool done;

    rig_put_wait(&rig, 0, false);
    bare_kick(rig.unit);
    done = rig_wait(&rig, 0);
    expect(done);
}

/* --- detach --- */

static void put_context(void)
{
    bare_put(rig.unit,
             SPEC_DESCRIPTOR_CONTEXT | SPEC_DESCRIPTOR_WITH_G(SPEC_CONTEXT_DEVICE) |
                 SPEC_CONTEXT_WITH_SID(RIG_SOURCE),
             0);
}

static void put_pasid_cache(void)
{
    bare_put(rig.unit,
             SPEC_DESCRIPTOR_PASID_CACHE | SPEC_DESCRIPTOR_WITH_G(SPEC_PASID_CACHE_DOMAIN) |
                 SPEC_DESCRIPTOR_WITH_DID(RIG_DID),
             0);
}

static void put_domain(void)
{
    bare_put(rig.unit,
             SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_DOMAIN) |
                 SPEC_DESCRIPTOR_WITH_DID(RIG_DID),
             0);
}

static void detach(void (*const steps[])(void), unsigned count)
{
    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, false);
    rig_warm(&rig);
    rig_go(&rig);
    bare_set(rig.unit, bare_context(rig.unit, RIG_SOURCE), 0);
    for (unsigned i = 0; i < count; i++) {
        steps[i]();
        submit_and_wait();
    }
    for (unsigned page = 0; page < RIG_PAGES; page++)
        bare_forbid(rig_iova(page));
    rig_end(&rig);
}

SCENARIO(detach_without_iotlb, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a device is detached, and only context and PASID cache are invalidated")
{
    static void (*const steps[])(void) = {put_context, put_pasid_cache};

    detach(steps, ARRAY_SIZE(steps));
}

SCENARIO(detach_without_context, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a device is detached, and the context cache is not invalidated")
{
    static void (*const steps[])(void) = {put_pasid_cache, put_domain};

    detach(steps, ARRAY_SIZE(steps));
}

SCENARIO(detach_upside_down, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a device is detached, and the IOTLB is invalidated before what fills it")
{
    static void (*const steps[])(void) = {put_domain, put_pasid_cache, put_context};

    detach(steps, ARRAY_SIZE(steps));
}

SCENARIO(detach_in_order, .kind = SCENARIO_RANDOM,
         .what = "a device is detached: context cache, PASID cache, IOTLB")
{
    static void (*const steps[])(void) = {put_context, put_pasid_cache, put_domain};

    detach(steps, ARRAY_SIZE(steps));
}

static void put_all(void)
{
    put_context();
    put_pasid_cache();
    put_domain();
}

SCENARIO(detach_in_one_batch, .kind = SCENARIO_RANDOM,
         .what = "the same in one batch, whose order the unit keeps (6.5.2.11)")
{
    static void (*const steps[])(void) = {put_all};

    detach(steps, ARRAY_SIZE(steps));
}

/* --- domain ids --- */

/* The domain's tree is another one from now on, in which nothing is mapped. The PASID entry goes away, is
 * invalidated, and comes back. */
static void change_tree(bool warm, bool iotlb)
{
    uint64_t *entry;
    uint64_t word;

    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, false);
    if (warm)
        rig_warm(&rig);
    rig_go(&rig);
    entry = bare_pasid(rig.unit, RIG_SOURCE, 0);
    word = entry[0];
    bare_set(rig.unit, entry, word & ~SPEC_PASID_PRESENT);
    put_pasid_cache();
    submit_and_wait();
    if (iotlb) {
        put_domain();
        submit_and_wait();
    }
    bare_set(rig.unit, entry, (word & ~SPEC_TABLE_ADDRESS) | virt_to_phys(bare_table(rig.unit)));
    for (unsigned page = 0; page < RIG_PAGES; page++)
        bare_forbid(rig_iova(page));
    rig_end(&rig);
}

SCENARIO(domain_id_reused_too_early, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a domain id gets another tree, and what is cached under it stays")
{
    change_tree(true, false);
}

SCENARIO(domain_id_reused, .kind = SCENARIO_RANDOM,
         .what = "a domain id gets another tree after all that is cached under it went")
{
    change_tree(true, true);
}

SCENARIO(domain_id_reused_cold, .kind = SCENARIO_RANDOM,
         .what = "the same while the unit reads the old entry for the first time")
{
    change_tree(false, true);
}
