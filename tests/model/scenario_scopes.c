/* SPDX-License-Identifier: BSD-2-Clause */
/* What each kind of invalidation drops and what it leaves alone, entry by entry (6.5.2.1
 * to 6.5.2.4, 6.5.2.7). What stays matters as much: a unit that drops more than it must hides what a driver
 * forgets. */
#include "lib/units.h"
#include "tests/model/configs.h"
#include "tests/model/machine.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_registers.h"
#include <inttypes.h>

#define DID(did) SPEC_DESCRIPTOR_WITH_DID(did)
#define G(g)     SPEC_DESCRIPTOR_WITH_G(g)
#define IH       SPEC_DESCRIPTOR_IH
#define FIRST    .present = true, .first_stage = true
#define SECOND   .present = true, .first_stage = false

static const struct cached_translation translations[] = {
    {SECOND, .did = 1, .iova = 0x1000, .page_lg2 = 12},
    {SECOND, .did = 1, .iova = 0x40000000, .page_lg2 = 12},
    {SECOND, .did = 1, .iova = 0x600000, .page_lg2 = 21},
    {SECOND, .did = 2, .iova = 0x1000, .page_lg2 = 12},
    {FIRST, .did = 3, .pasid = 0, .iova = 0x1000, .page_lg2 = 12},
    {FIRST, .did = 3, .pasid = 7, .iova = 0x1000, .page_lg2 = 12},
    {FIRST, .did = 3, .pasid = 0, .iova = 0x40000000, .page_lg2 = 12},
    {SECOND, .did = 1, .pasid = 7, .iova = 0x5000, .page_lg2 = 12},
};

static const struct cached_table tables[] = {
    {.did = 1, .iova = 0, .span_lg2 = 21},
    {.did = 1, .iova = 0, .span_lg2 = 39},
    {.did = 1, .iova = 0x40000000, .span_lg2 = 21},
    {.did = 2, .iova = 0, .span_lg2 = 21},
    {.first_stage = true, .did = 3, .pasid = 0, .iova = 0, .span_lg2 = 21},
    {.first_stage = true, .did = 3, .pasid = 7, .iova = 0, .span_lg2 = 21},
    {.first_stage = true, .did = 3, .pasid = 0, .iova = 0x40000000, .span_lg2 = 30},
};

static const struct cached_context contexts[] = {
    {.present = true, .source_id = 0x10, .did = 1}, {.present = true, .source_id = 0x11, .did = 1},
    {.present = true, .source_id = 0x14, .did = 1}, {.present = true, .source_id = 0x18, .did = 1},
    {.present = true, .source_id = 0x16, .did = 2},
};

static const struct cached_pasid pasids[] = {
    {.present = true, .source_id = 0x10, .pasid = 0, .did = 3},
    {.present = true, .source_id = 0x10, .pasid = 7, .did = 3},
    {.present = true, .source_id = 0x11, .pasid = 0, .did = 4},
    {.present = false, .source_id = 0x12, .pasid = 0, .did = 0},
};

static const struct cached_interrupt interrupts[] = {
    {.present = true, .index = 4},
    {.present = true, .index = 5},
    {.present = true, .index = 7},
    {.present = true, .index = 8},
};

#define ALL(entries) ((1u << ARRAY_SIZE(entries)) - 1)

/* Bit n of a field: the n-th entry goes. */
struct expectation {
    uint64_t word0;
    uint64_t word1;
    unsigned translations, tables, contexts, pasids, interrupts;
};

/* The caches have the entries in the order in which they were put in, until the first one goes. */
static unsigned missing(struct cache *cache, const void *entries, unsigned count)
{
    unsigned gone = 0;

    for (unsigned n = 0; n < count; n++) {
        const char *entry = (const char *)entries + n * cache->entry_bytes;
        bool found = false;

        for (unsigned i = 0; i < cache->count && !found; i++)
            found = __builtin_memcmp(cache_entry(cache, i), entry, cache->entry_bytes) == 0;
        gone |= found ? 0 : 1u << n;
    }
    return gone;
}

static void fill(struct unit *unit, struct cache *cache, const void *entries, unsigned count)
{
    cache->count = 0;
    for (unsigned n = 0; n < count; n++)
        cache_add(&unit->caches, cache, (const char *)entries + n * cache->entry_bytes);
}

static void check(const struct expectation *expected, const char *which, unsigned gone, unsigned wanted)
{
    if (gone != wanted)
        violation(VIOLATION_EXPECTATION, "%#" PRIx64 " %#" PRIx64 " drops %s %#x, not %#x", expected->word0,
                  expected->word1, which, gone, wanted);
}

static void try(struct unit *unit, const struct expectation *expected)
{
    struct unit_caches *caches = &unit->caches;
    struct unit_pending descriptor = {.word = {expected->word0, expected->word1}};

    fill(unit, &caches->translations, translations, ARRAY_SIZE(translations));
    fill(unit, &caches->tables, tables, ARRAY_SIZE(tables));
    fill(unit, &caches->contexts, contexts, ARRAY_SIZE(contexts));
    fill(unit, &caches->pasids, pasids, ARRAY_SIZE(pasids));
    fill(unit, &caches->interrupts, interrupts, ARRAY_SIZE(interrupts));
    unit_invalidate(unit, &descriptor);
    check(expected, "translations", missing(&caches->translations, translations, ARRAY_SIZE(translations)),
          expected->translations);
    check(expected, "tables", missing(&caches->tables, tables, ARRAY_SIZE(tables)), expected->tables);
    check(expected, "contexts", missing(&caches->contexts, contexts, ARRAY_SIZE(contexts)),
          expected->contexts);
    check(expected, "PASIDs", missing(&caches->pasids, pasids, ARRAY_SIZE(pasids)), expected->pasids);
    check(expected, "interrupts", missing(&caches->interrupts, interrupts, ARRAY_SIZE(interrupts)),
          expected->interrupts);
}

static void try_all(unsigned ttm, const struct expectation *expectations, unsigned count)
{
    const struct unit_config *config = &unit_modern;
    struct unit *unit;

    machine_make(&config, 1);
    unit = machine_unit(0);
    unit->root = SPEC_RTADDR_WITH_TTM(ttm);
    unit->caches.temper = 0;
    for (unsigned i = 0; i < count; i++)
        try(unit, &expectations[i]);
}

#define CONTEXT     SPEC_DESCRIPTOR_CONTEXT
#define DEVICE(sid) (CONTEXT | G(SPEC_CONTEXT_DEVICE) | SPEC_CONTEXT_WITH_SID(sid))
#define FM(fm)      SPEC_CONTEXT_WITH_FM(fm)

SCENARIO(scope_of_contexts, .kind = SCENARIO_RANDOM, .what = "what context cache invalidations drop")
{
    static const struct expectation legacy[] = {
        {.word0 = CONTEXT | G(SPEC_CONTEXT_GLOBAL), .contexts = ALL(contexts)},
        {.word0 = CONTEXT | G(SPEC_CONTEXT_DOMAIN) | DID(2), .contexts = 0x10},
        {.word0 = DEVICE(0x10) | DID(1), .contexts = 0x01},
        {.word0 = DEVICE(0x10) | DID(2), .contexts = 0},
        {.word0 = DEVICE(0x10) | FM(1) | DID(1), .contexts = 0x05},
        {.word0 = DEVICE(0x10) | FM(2) | DID(1), .contexts = 0x05},
        {.word0 = DEVICE(0x17) | FM(3) | DID(1), .contexts = 0x07},
    };

    try_all(SPEC_TTM_LEGACY, legacy, ARRAY_SIZE(legacy));
}

#define PASIDS SPEC_DESCRIPTOR_PASID_CACHE

SCENARIO(scope_of_pasids, .kind = SCENARIO_RANDOM, .what = "what PASID cache invalidations drop")
{
    static const struct expectation scalable[] = {
        {.word0 = PASIDS | G(SPEC_PASID_CACHE_GLOBAL), .pasids = ALL(pasids)},
        {.word0 = PASIDS | G(SPEC_PASID_CACHE_DOMAIN) | DID(3), .pasids = 0x3},
        {.word0 = PASIDS | G(SPEC_PASID_CACHE_PASID) | DID(3) | SPEC_DESCRIPTOR_WITH_PASID(7), .pasids = 0x2},
        {.word0 = PASIDS | G(SPEC_PASID_CACHE_PASID) | DID(4) | SPEC_DESCRIPTOR_WITH_PASID(7), .pasids = 0},
        {.word0 = PASIDS | G(SPEC_PASID_CACHE_DOMAIN) | DID(0), .pasids = 0x8},
        {.word0 = CONTEXT | G(SPEC_CONTEXT_DOMAIN) | DID(9), .contexts = ALL(contexts)},
    };

    try_all(SPEC_TTM_SCALABLE, scalable, ARRAY_SIZE(scalable));
}

#define IOTLB SPEC_DESCRIPTOR_IOTLB

SCENARIO(scope_of_iotlb, .kind = SCENARIO_RANDOM, .what = "what IOTLB invalidations drop")
{
    static const struct expectation scalable[] = {
        {.word0 = IOTLB | G(SPEC_IOTLB_GLOBAL), .translations = ALL(translations), .tables = ALL(tables)},
        {.word0 = IOTLB | G(SPEC_IOTLB_DOMAIN) | DID(1), .translations = 0x87, .tables = 0x07},
        {.word0 = IOTLB | G(SPEC_IOTLB_DOMAIN) | DID(3), .translations = 0x70, .tables = 0x70},
        /* IH is ignored here. */
        {.word0 = IOTLB | G(SPEC_IOTLB_DOMAIN) | DID(1), .word1 = IH, .translations = 0x87, .tables = 0x07},
        {.word0 = IOTLB | G(SPEC_IOTLB_PAGE) | DID(1), .word1 = 0x1000, .translations = 0x01, .tables = 0x03},
        {.word0 = IOTLB | G(SPEC_IOTLB_PAGE) | DID(1), .word1 = 0x1000 | IH, .translations = 0x01},
        {.word0 = IOTLB | G(SPEC_IOTLB_PAGE) | DID(1), .word1 = 0 | 3, .translations = 0x81, .tables = 0x03},
        /* A large page goes as a whole, by a mask that covers it. */
        {.word0 = IOTLB | G(SPEC_IOTLB_PAGE) | DID(1), .word1 = 0x600000 | IH | 8, .translations = 0},
        {.word0 = IOTLB | G(SPEC_IOTLB_PAGE) | DID(1), .word1 = 0x600000 | IH | 9, .translations = 0x04},
        /* First stage goes whatever the address and IH are. */
        {.word0 = IOTLB | G(SPEC_IOTLB_PAGE) | DID(3),
         .word1 = 0x9000 | IH,
         .translations = 0x70,
         .tables = 0x70},
    };

    try_all(SPEC_TTM_SCALABLE, scalable, ARRAY_SIZE(scalable));
}

#define PASID_IOTLB(g, did, pasid)                                                                           \
    (SPEC_DESCRIPTOR_PASID_IOTLB | G(g) | DID(did) | SPEC_DESCRIPTOR_WITH_PASID(pasid))

SCENARIO(scope_of_pasid_iotlb, .kind = SCENARIO_RANDOM, .what = "what PASID-based IOTLB invalidations drop")
{
    static const struct expectation scalable[] = {
        {.word0 = PASID_IOTLB(SPEC_PASID_IOTLB_ALL, 3, 0), .translations = 0x50, .tables = 0x50},
        {.word0 = PASID_IOTLB(SPEC_PASID_IOTLB_ALL, 3, 7), .translations = 0x20, .tables = 0x20},
        /* Second-stage translations go, their table entries stay. */
        {.word0 = PASID_IOTLB(SPEC_PASID_IOTLB_ALL, 1, 7), .translations = 0x80, .tables = 0},
        {.word0 = PASID_IOTLB(SPEC_PASID_IOTLB_PAGE, 3, 0),
         .word1 = 0x1000,
         .translations = 0x10,
         .tables = 0x10},
        {.word0 = PASID_IOTLB(SPEC_PASID_IOTLB_PAGE, 3, 0), .word1 = 0x1000 | IH, .translations = 0x10},
        {.word0 = PASID_IOTLB(SPEC_PASID_IOTLB_PAGE, 3, 0),
         .word1 = 0x40000000 | 18,
         .translations = 0x40,
         .tables = 0x40},
        {.word0 = PASID_IOTLB(SPEC_PASID_IOTLB_PAGE, 1, 0), .word1 = 0x1000, .translations = 0, .tables = 0},
    };

    try_all(SPEC_TTM_SCALABLE, scalable, ARRAY_SIZE(scalable));
}

#define INTERRUPTS SPEC_DESCRIPTOR_INTERRUPT
#define SELECTIVE(index, mask)                                                                               \
    (INTERRUPTS | SPEC_INTERRUPT_SELECTIVE | SPEC_INTERRUPT_WITH_INDEX(index) | SPEC_INTERRUPT_WITH_IM(mask))

SCENARIO(scope_of_interrupts, .kind = SCENARIO_RANDOM, .what = "what interrupt entry invalidations drop")
{
    static const struct expectation any_mode[] = {
        {.word0 = INTERRUPTS, .interrupts = ALL(interrupts)}, {.word0 = SELECTIVE(4, 0), .interrupts = 0x1},
        {.word0 = SELECTIVE(4, 1), .interrupts = 0x3},        {.word0 = SELECTIVE(4, 2), .interrupts = 0x7},
        {.word0 = SELECTIVE(0, 4), .interrupts = 0xf},
    };

    try_all(SPEC_TTM_SCALABLE, any_mode, ARRAY_SIZE(any_mode));
}

SCENARIO(device_tlb_ranges, .kind = SCENARIO_RANDOM,
         .what = "the range of a device-TLB invalidation: S and the lowest clear bit of the address")
{
    expect_equal(spec_ats_range_lg2(0x5000, false), 12);
    expect_equal(spec_ats_range_lg2(0x4000, true), 13);
    expect_equal(spec_ats_range_lg2(0x9000, true), 14);
    expect_equal(spec_ats_range_lg2(0xff000, true), 21);
    expect_equal(spec_ats_range_lg2(0x7ffffffffffff000, true), 64);
}
