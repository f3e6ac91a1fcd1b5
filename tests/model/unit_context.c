/* SPDX-License-Identifier: BSD-2-Clause */
/* Root and context tables of both modes, and the context cache (3.4, 6.2.2): where a request goes on. */
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/unit_tables.h"
#include "tests/model/violation.h"

void unit_check_reserved(const struct unit *unit, const struct request *request, const char *what,
                         uint64_t hpa, uint64_t word, uint64_t reserved)
{
    if (word & reserved)
        violation(VIOLATION_RESERVED_BITS,
                  "vtd%u, request of %#x for %#lx: %s at %#lx is %#lx, of which %#lx is "
                  "reserved",
                  unit->index, request->source_id, (unsigned long)request->iova, what, (unsigned long)hpa,
                  (unsigned long)word, (unsigned long)(word & reserved));
}

void unit_check_programmed(const struct unit *unit, const struct request *request, const char *what,
                           uint64_t hpa, bool good, const char *requirement)
{
    if (!good)
        violation(VIOLATION_RESERVED_BITS,
                  "vtd%u, request of %#x for %#lx: %s at %#lx is programmed wrongly: %s", unit->index,
                  request->source_id, (unsigned long)request->iova, what, (unsigned long)hpa, requirement);
}

/* Domain ids wider than CAP.ND are reserved bits (9.3, 9.6); 0 is the unit's own in caching mode (6.1). */
void unit_check_did(const struct unit *unit, const struct request *request, const char *what, uint64_t hpa,
                    uint16_t did)
{
    unsigned nd = SPEC_CAP_ND(unit->config.cap);

    unit_check_programmed(unit, request, what, hpa, did < 1ull << (4 + 2 * nd),
                          "its domain id is beyond CAP.ND");
    unit_check_programmed(unit, request, what, hpa, did || !(unit->config.cap & SPEC_CAP_CM),
                          "domain id 0 is reserved in caching mode");
}

bool unit_has_levels(const struct unit *unit, unsigned levels)
{
    return levels >= 3 && levels <= 5 && SPEC_CAP_SAGAW(unit->config.cap) >> (levels - 2) & 1;
}

static bool matches_source(const void *context, const void *entry)
{
    const struct request *request = context;

    return ((const struct cached_context *)entry)->source_id == request->source_id;
}

/* Bits of word n that hardware does not use. */
static uint64_t ignored(const struct cached_context *entry, unsigned n)
{
    return !entry->scalable && n == 1 ? SPEC_CONTEXT_IGNORED_1 : 0;
}

/* What may change while the entry is present: one bit, before and after which the entry makes sense, and
 * which is no part of what other caches are tagged with (6.2.2.1). */
static uint64_t changeable(unsigned n)
{
    return n == 0 ? SPEC_CONTEXT_FPD : 0;
}

/* A present entry that software makes another without taking the present bit away first, and without an
 * invalidation while it was away, goes on being used in parts, or as it was (6.2.2.1). */
static void check_live(const struct unit *unit, const struct cached_context *entry)
{
    memory_check_table(entry->at, entry->generation, "context entry (cached)");
    if (!(unit_peek(entry->at) & SPEC_CONTEXT_PRESENT))
        return;
    for (unsigned n = 0; n < 2; n++) {
        uint64_t now = unit_peek(entry->at + 8 * n);

        if ((now ^ entry->word[n]) & ~ignored(entry, n) & ~changeable(n))
            violation(
                VIOLATION_LIVE_ENTRY,
                "vtd%u caches the context entry of %#x, at %#lx, with %#lx in word %u, and memory has %#lx "
                "there: it changed without an invalidation while it was not present",
                unit->index, entry->source_id, (unsigned long)entry->at, (unsigned long)entry->word[n], n,
                (unsigned long)now);
    }
}

/* Entries of one domain id lead to one tree (6.2.2.1). */
static void check_alike(const struct unit *unit, const struct cached_context *old,
                        const struct cached_context *new)
{
    const uint64_t tree = SPEC_TABLE_ADDRESS | SPEC_CONTEXT_WITH_TT(2);

    if (old->scalable || new->scalable || old->did != new->did || unit_has_two_roots(unit))
        return;
    if ((old->word[0] ^ new->word[0]) & tree ||
        SPEC_CONTEXT_AW(old->word[1]) != SPEC_CONTEXT_AW(new->word[1]))
        violation(VIOLATION_LIVE_ENTRY,
                  "vtd%u caches domain id %u with the tree of %#x (%#lx, %#lx), and the context entry of %#x "
                  "has it with another one (%#lx, %#lx)",
                  unit->index, old->did, old->source_id, (unsigned long)old->word[0],
                  (unsigned long)old->word[1], new->source_id, (unsigned long)new->word[0],
                  (unsigned long)new->word[1]);
}

static void fill(struct unit *unit, const struct request *request, const struct cached_context *new)
{
    struct cache *cache = &unit->caches.contexts;

    if (request->no_fill_context || (!new->present && !(unit->config.cap & SPEC_CAP_CM)))
        return;
    for (unsigned i = 0; new->present &&i < cache->count; i++) {
        const struct cached_context *old = cache_entry(cache, i);

        if (old->present)
            check_alike(unit, old, new);
    }
    history("vtd%lu: caches the context entry of %#lx: %#lx %#lx, present %lu", unit->index,
            request->source_id, new->word[0], new->word[1], new->present);
    cache_add(&unit->caches, cache, new);
}

static void check_legacy(const struct unit *unit, const struct request *request,
                         const struct cached_context *entry)
{
    static const char what[] = "context entry";
    unsigned tt = SPEC_CONTEXT_TT(entry->word[0]);
    unsigned aw = SPEC_CONTEXT_AW(entry->word[1]);
    uint64_t ecap = unit->config.ecap;

    unit_check_reserved(unit, request, what, entry->at, entry->word[0], SPEC_CONTEXT_RESERVED_0);
    unit_check_reserved(unit, request, what, entry->at + 8, entry->word[1], SPEC_CONTEXT_RESERVED_1);
    unit_check_programmed(unit, request, what, entry->at, tt != 3, "TT is 3 (LCT.4)");
    unit_check_programmed(unit, request, what, entry->at, tt != SPEC_TT_DEVICE_TLB || ecap & SPEC_ECAP_DT,
                          "TT is 1 without ECAP.DT (LCT.4)");
    unit_check_programmed(unit, request, what, entry->at, tt != SPEC_TT_PASS_THROUGH || ecap & SPEC_ECAP_PT,
                          "TT is 2 without ECAP.PT (LCT.4)");
    unit_check_programmed(unit, request, what, entry->at, unit_has_levels(unit, aw + 2),
                          "AW has a width that CAP.SAGAW has not (LCT.4)");
    unit_check_programmed(unit, request, what, entry->at,
                          tt != SPEC_TT_PASS_THROUGH || !unit_has_levels(unit, aw + 3),
                          "passes through, and AW is not the largest that CAP.SAGAW has (9.3)");
    unit_check_did(unit, request, what, entry->at, entry->did);
}

static void check_scalable(const struct unit *unit, const struct request *request,
                           const struct cached_context *entry)
{
    static const char what[] = "scalable-mode context entry";
    uint64_t reserved[4] = {SPEC_SM_CONTEXT_RESERVED_0, SPEC_SM_CONTEXT_RESERVED_1, ~0ull, ~0ull};

    reserved[0] |= unit_reserved_without(unit, SPEC_ECAP_DT, SPEC_SM_CONTEXT_DTE);
    reserved[0] |= unit_reserved_without(unit, SPEC_ECAP_PASID, SPEC_SM_CONTEXT_PASIDE);
    reserved[0] |= unit_reserved_without(unit, SPEC_ECAP_PRS, SPEC_SM_CONTEXT_PRE);
    reserved[1] |= unit_reserved_without(unit, SPEC_ECAP_RPS, SPEC_SM_CONTEXT_RID_PASID(~0ull));
    reserved[1] |= unit_reserved_without(unit, SPEC_ECAP_RPRIVS, SPEC_SM_CONTEXT_RID_PRIV);
    for (unsigned n = 0; n < 4; n++)
        unit_check_reserved(unit, request, what, entry->at + 8 * n, entry->word[n], reserved[n]);
    unit_check_programmed(unit, request, what, entry->at,
                          SPEC_SM_CONTEXT_RID_PASID(entry->word[1]) < SPEC_SM_CONTEXT_PASIDS(entry->word[0]),
                          "RID_PASID is beyond the directory (SCT.4)");
    unit_check_programmed(unit, request, what, entry->at,
                          entry->word[0] & SPEC_SM_CONTEXT_DTE || !(entry->word[0] & SPEC_SM_CONTEXT_PRE),
                          "page requests without a device TLB: PRE without DTE (SCT.4)");
}

/* What caching mode keeps of a request that stopped at a root or context entry: the word that has FPD, and
 * the reason. */
static bool not_present(struct unit *unit, struct request *request, struct cached_context *entry,
                        uint64_t word, uint8_t reason)
{
    entry->did = UNIT_NOT_PRESENT_DID;
    entry->word[0] = word;
    entry->word[1] = reason;
    fill(unit, request, entry);
    return false;
}

static bool read_root(struct unit *unit, struct request *request, struct cached_context *entry,
                      uint64_t *table)
{
    enum memory_view view = unit_tables_view(unit);
    unsigned devfn = request->source_id & 0xff;
    uint64_t at = (unit->root & SPEC_PAGE_ADDRESS) + (request->source_id >> 8) * SPEC_ROOT_BYTES;
    uint64_t word;

    if (entry->scalable && devfn >= 128)
        at += 8;
    word = memory_read(view, at, "root entry");
    if (!(word & SPEC_ROOT_PRESENT))
        return not_present(unit, request, entry, 0, entry->scalable ? SPEC_SRT_2 : SPEC_LRT_2);
    unit_check_reserved(unit, request, "root entry", at, word, SPEC_ROOT_RESERVED);
    if (!entry->scalable)
        unit_check_reserved(unit, request, "root entry", at + 8, unit_peek(at + 8), ~0ull);
    *table = word & SPEC_TABLE_ADDRESS;
    return true;
}

/* Reads the entry. 128 bits are read at once, which is all of an entry of legacy mode; of wider ones software
 * may change one half while the other is read (9). Words that are all reserved cost no step. */
static bool read_entry(struct unit *unit, struct request *request, struct cached_context *entry)
{
    const char *what = entry->scalable ? "scalable-mode context entry" : "context entry";
    enum memory_view view = unit_tables_view(unit);

    entry->generation = memory_generation(entry->at);
    memory_read_pair(view, entry->at, entry->word, what);
    if (!(entry->word[0] & SPEC_CONTEXT_PRESENT))
        return not_present(unit, request, entry, entry->word[0], entry->scalable ? SPEC_SCT_2 : SPEC_LCT_2);
    if (entry->scalable) {
        entry->word[2] = unit_peek(entry->at + 16);
        entry->word[3] = unit_peek(entry->at + 24);
        check_scalable(unit, request, entry);
    } else {
        entry->did = SPEC_CONTEXT_DID(entry->word[1]);
        check_legacy(unit, request, entry);
    }
    entry->present = true;
    fill(unit, request, entry);
    return true;
}

/* The context entry of the request, cached or read; false if it is not present, with the reason in word 1. */
static bool find(struct unit *unit, struct request *request, bool scalable, struct cached_context *entry)
{
    unsigned devfn = request->source_id & 0xff;
    const struct cached_context *cached;
    uint64_t table;

    caches_maybe_drop(&unit->caches);
    cached = cache_find(&unit->caches.contexts, matches_source, request);
    if (cached) {
        *entry = *cached;
        if (entry->present)
            check_live(unit, entry);
        return entry->present;
    }
    *entry = (struct cached_context){.scalable = scalable, .source_id = request->source_id};
    if (!read_root(unit, request, entry, &table))
        return false;
    entry->at = table + (scalable ? devfn % 128 * SPEC_SM_CONTEXT_BYTES : devfn * SPEC_CONTEXT_BYTES);
    return read_entry(unit, request, entry);
}

static void route_legacy(const struct unit *unit, struct request *request, const struct cached_context *entry,
                         struct unit_walk *walk, uint8_t *reason)
{
    unsigned tt = SPEC_CONTEXT_TT(entry->word[0]);

    if (request->type != REQUEST_UNTRANSLATED && tt != SPEC_TT_DEVICE_TLB) {
        *reason = SPEC_LCT_5;
        return;
    }
    walk->did = entry->did;
    walk->levels = SPEC_CONTEXT_AW(entry->word[1]) + 2;
    walk->root = entry->word[0] & SPEC_TABLE_ADDRESS;
    walk->view = unit_tables_view(unit);
    walk->route = tt == SPEC_TT_PASS_THROUGH || request->type == REQUEST_TRANSLATED ? ROUTE_PASS_THROUGH
                                                                                    : ROUTE_SECOND_STAGE;
    if (request->type == REQUEST_TRANSLATED)
        return; /* only its device drains it: no domain id is looked at */
    request->did = entry->did;
    request->has_did = true;
}

void unit_route(struct unit *unit, struct request *request, struct unit_walk *walk, uint8_t *reason)
{
    struct cached_context entry;
    bool present;

    *walk = (struct unit_walk){.route = ROUTE_REFUSED,
                               .scalable = SPEC_RTADDR_TTM(unit->root) == SPEC_TTM_SCALABLE};
    if (request->has_pasid && !walk->scalable) {
        *reason = SPEC_RTA_2;
        return;
    }
    present = find(unit, request, walk->scalable, &entry);
    walk->silent = entry.word[0] & SPEC_CONTEXT_FPD;
    if (!present)
        *reason = (uint8_t)entry.word[1];
    else if (walk->scalable)
        unit_route_pasid(unit, request, entry.word, walk, reason);
    else
        route_legacy(unit, request, &entry, walk, reason);
}

void unit_check_entries(struct unit *unit)
{
    for (unsigned i = 0; i < unit->caches.contexts.count; i++) {
        const struct cached_context *entry = cache_entry(&unit->caches.contexts, i);

        if (entry->present)
            check_live(unit, entry);
    }
    unit_check_pasid_entries(unit);
}
