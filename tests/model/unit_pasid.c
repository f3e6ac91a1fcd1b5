/* SPDX-License-Identifier: BSD-2-Clause */
/* PASID directory and table, and the PASID cache (3.4.3, 6.2.3): which tree a request of scalable mode goes
 * by. */
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/unit_tables.h"
#include "tests/model/violation.h"

static const char what[] = "PASID table entry";

/* Fields that software may switch in an entry that is in use, as long as the invalidations follow (6.5.3.3).
 */
#define SWITCHABLE_0 (SPEC_PASID_SSADE | SPEC_PASID_FPD)
#define SWITCHABLE_1 SPEC_PASID_PGSNP

struct key {
    uint16_t source_id;
    uint32_t pasid;
};

static bool matches_key(const void *context, const void *entry)
{
    const struct cached_pasid *pasid = entry;
    const struct key *key = context;

    return pasid->source_id == key->source_id && pasid->pasid == key->pasid;
}

static void check_live(const struct unit *unit, const struct cached_pasid *entry, bool switching)
{
    const uint64_t switchable[SPEC_PASID_WORDS_USED] = {SWITCHABLE_0, SWITCHABLE_1, 0};

    memory_check_table(entry->at, entry->generation, "PASID table entry (cached)");
    if (!(unit_peek(entry->at) & SPEC_PASID_PRESENT))
        return;
    for (unsigned n = 0; n < SPEC_PASID_WORDS_USED; n++) {
        uint64_t now = unit_peek(entry->at + 8 * n);

        if ((now ^ entry->word[n]) & ~(switching ? switchable[n] : 0))
            violation(
                VIOLATION_LIVE_ENTRY,
                "vtd%u caches the entry of PASID %u of %#x, at %#lx, with %#lx in word %u, and memory has "
                "%#lx there: it changed without the invalidations that this needs",
                unit->index, entry->pasid, entry->source_id, (unsigned long)entry->at,
                (unsigned long)entry->word[n], n, (unsigned long)now);
    }
}

/* What a domain id stands for: entries of second stage share one tree; those of first stage are told apart by
 * PASID; and the kinds never share an id (6.2.3.1). */
static bool alike(const struct cached_pasid *a, const struct cached_pasid *b)
{
    unsigned pgtt = SPEC_PASID_PGTT(a->word[0]);

    if (a->did != b->did)
        return true;
    if (pgtt != SPEC_PASID_PGTT(b->word[0]))
        return false;
    if (pgtt == SPEC_PGTT_SECOND_STAGE)
        return !((a->word[0] ^ b->word[0]) & (SPEC_TABLE_ADDRESS | SPEC_PASID_WITH_AW(7)));
    if (pgtt == SPEC_PGTT_FIRST_STAGE)
        return a->pasid != b->pasid ||
               !((a->word[2] ^ b->word[2]) & (SPEC_TABLE_ADDRESS | SPEC_PASID_WITH_FSPM(3)));
    return true;
}

static void check_alike(const struct unit *unit, const struct cached_pasid *old,
                        const struct cached_pasid *new)
{
    if (!alike(old, new) && !unit_has_two_roots(unit))
        violation(
            VIOLATION_LIVE_ENTRY,
            "vtd%u caches domain id %u with PASID %u of %#x (%#lx, %#lx), and PASID %u of %#x has it with "
            "another tree (%#lx, %#lx)",
            unit->index, old->did, old->pasid, old->source_id, (unsigned long)old->word[0],
            (unsigned long)old->word[2], new->pasid, new->source_id, (unsigned long)new->word[0],
            (unsigned long)new->word[2]);
}

static void fill(struct unit *unit, const struct request *request, const struct cached_pasid *new)
{
    struct cache *cache = &unit->caches.pasids;

    if (request->no_fill_pasid || (!new->present && !(unit->config.cap & SPEC_CAP_CM)))
        return;
    for (unsigned i = 0; new->present &&i < cache->count; i++) {
        const struct cached_pasid *old = cache_entry(cache, i);

        if (old->present && old->at == new->at)
            check_live(unit, old, true);
        if (old->present)
            check_alike(unit, old, new);
    }
    history("vtd%lu: caches the entry of PASID %lu of %#lx: %#lx %#lx, present %lu", unit->index, new->pasid,
            new->source_id, new->word[0], new->word[1], new->present);
    cache_add(&unit->caches, cache, new);
}

static bool not_present(struct unit *unit, struct request *request, struct cached_pasid *entry, uint64_t word,
                        uint8_t reason)
{
    entry->did = UNIT_NOT_PRESENT_DID;
    entry->word[0] = word;
    entry->word[1] = reason;
    fill(unit, request, entry);
    return false;
}

static void check_reserved(const struct unit *unit, const struct request *request,
                           const struct cached_pasid *entry)
{
    uint64_t reserved[SPEC_PASID_WORDS] = {
        SPEC_PASID_RESERVED_0,
        SPEC_PASID_RESERVED_1,
        SPEC_PASID_RESERVED_2,
        ~0ull,
        ~0ull,
        ~0ull,
        ~0ull,
        ~0ull,
    };

    reserved[0] |= unit_reserved_without(unit, SPEC_ECAP_SSADS, SPEC_PASID_SSADE);
    reserved[0] |= unit_reserved_without(unit, SPEC_ECAP_SSTS, SPEC_PASID_SECOND_STAGE_0);
    reserved[2] |= unit_reserved_without(unit, SPEC_ECAP_FSTS, SPEC_PASID_FIRST_STAGE_2);
    reserved[1] |= unit_reserved_without(unit, SPEC_ECAP_SMPWC, SPEC_PASID_PWSNP);
    reserved[1] |= unit_reserved_without(unit, SPEC_ECAP_SC, SPEC_PASID_PGSNP);
    reserved[1] |= unit_reserved_without(unit, SPEC_ECAP_MTS, SPEC_PASID_MEMORY_TYPES);
    reserved[2] |= unit_reserved_without(unit, SPEC_ECAP_SRS, SPEC_PASID_SRE);
    reserved[2] |= unit_reserved_without(unit, SPEC_ECAP_ERS, SPEC_PASID_ERE);
    reserved[2] |= unit_reserved_without(unit, SPEC_ECAP_EAFS, SPEC_PASID_EAFE);
    for (unsigned n = 0; n < SPEC_PASID_WORDS; n++)
        unit_check_reserved(unit, request, what, entry->at + 8 * n, entry->word[n], reserved[n]);
}

static bool programmed(const struct unit *unit, const struct cached_pasid *entry)
{
    uint64_t ecap = unit->config.ecap;
    unsigned fspm = SPEC_PASID_FSPM(entry->word[2]);
    bool width = unit_has_levels(unit, SPEC_PASID_AW(entry->word[0]) + 2);

    switch (SPEC_PASID_PGTT(entry->word[0])) {
    case SPEC_PGTT_FIRST_STAGE:
        return ecap & SPEC_ECAP_FSTS && (fspm == 0 || (fspm == 1 && unit->config.cap & SPEC_CAP_FS5LP));
    case SPEC_PGTT_SECOND_STAGE:
        return ecap & SPEC_ECAP_SSTS && width;
    case SPEC_PGTT_PASS_THROUGH:
        return ecap & SPEC_ECAP_PT;
    default: /* nested translation is not modelled, so no unit has ECAP.NEST */
        return false;
    }
}

static uint64_t tree_of(const struct cached_pasid *entry)
{
    switch (SPEC_PASID_PGTT(entry->word[0])) {
    case SPEC_PGTT_FIRST_STAGE:
        return entry->word[2] & SPEC_TABLE_ADDRESS;
    case SPEC_PGTT_SECOND_STAGE:
        return entry->word[0] & SPEC_TABLE_ADDRESS;
    default:
        return 0;
    }
}

static bool read_directory(struct unit *unit, struct request *request, struct cached_pasid *entry,
                           uint64_t directory, struct unit_walk *walk, uint64_t *table)
{
    uint64_t at = directory + SPEC_PASID_DIRECTORY_INDEX(entry->pasid) * 8;
    uint64_t word = memory_read(unit_tables_view(unit), at, "PASID directory entry");

    walk->silent = walk->silent || word & SPEC_PASID_DIRECTORY_FPD;
    if (!(word & SPEC_PASID_DIRECTORY_PRESENT))
        return not_present(unit, request, entry, word, SPEC_SPD_2);
    unit_check_reserved(unit, request, "PASID directory entry", at, word, SPEC_PASID_DIRECTORY_RESERVED);
    *table = word & SPEC_TABLE_ADDRESS;
    return true;
}

/* See unit_context.c, read_entry(). */
static bool read_entry(struct unit *unit, struct request *request, struct cached_pasid *entry)
{
    enum memory_view view = unit_tables_view(unit);

    entry->generation = memory_generation(entry->at);
    memory_read_pair(view, entry->at, entry->word, what);
    if (!(entry->word[0] & SPEC_PASID_PRESENT))
        return not_present(unit, request, entry, entry->word[0], SPEC_SPT_2);
    /* From here on an invalidation of the domain waits for it. */
    entry->did = SPEC_PASID_DID(entry->word[1]);
    request->did = entry->did;
    request->has_did = true;
    entry->word[2] = memory_read(view, entry->at + 16, what);
    memory_check_table(entry->at, entry->generation, what);
    for (unsigned n = SPEC_PASID_WORDS_USED; n < SPEC_PASID_WORDS; n++)
        entry->word[n] = unit_peek(entry->at + 8 * n);
    check_reserved(unit, request, entry);
    unit_check_did(unit, request, what, entry->at, entry->did);
    unit_check_programmed(unit, request, what, entry->at, programmed(unit, entry),
                          "PGTT, AW or FSPM ask for what the unit has not (SPT.4)");
    entry->tree_generation = memory_generation(tree_of(entry));
    entry->present = true;
    fill(unit, request, entry);
    return true;
}

/* The entry, cached or read; false if it is not present, with the reason in word 1. */
static bool find(struct unit *unit, struct request *request, const uint64_t *context, struct unit_walk *walk,
                 struct cached_pasid *entry)
{
    const struct key key = {request->source_id, walk->pasid};
    const struct cached_pasid *cached;
    uint64_t table;

    /* Context and PASID cache are not looked at in one step. */
    schedule_point(POINT_HARDWARE, NULL);
    caches_maybe_drop(&unit->caches);
    cached = cache_find(&unit->caches.pasids, matches_key, &key);
    if (cached) {
        *entry = *cached;
        if (entry->present)
            check_live(unit, entry, true);
        return entry->present;
    }
    *entry = (struct cached_pasid){.source_id = key.source_id, .pasid = key.pasid};
    if (!read_directory(unit, request, entry, context[0] & SPEC_TABLE_ADDRESS, walk, &table))
        return false;
    entry->at = table + SPEC_PASID_INDEX(entry->pasid) * SPEC_PASID_BYTES;
    return read_entry(unit, request, entry);
}

static void route_by(const struct cached_pasid *entry, struct unit_walk *walk)
{
    bool snoops = entry->word[1] & SPEC_PASID_PWSNP; /* reserved without SMPWC */

    walk->did = entry->did;
    walk->root = tree_of(entry);
    walk->view = snoops ? MEMORY_SNOOPED : MEMORY_UNSNOOPED;
    switch (SPEC_PASID_PGTT(entry->word[0])) {
    case SPEC_PGTT_FIRST_STAGE:
        walk->route = ROUTE_FIRST_STAGE;
        walk->levels = 4 + SPEC_PASID_FSPM(entry->word[2]);
        walk->accessed_dirty = true;
        break;
    case SPEC_PGTT_SECOND_STAGE:
        walk->route = ROUTE_SECOND_STAGE;
        walk->levels = SPEC_PASID_AW(entry->word[0]) + 2;
        walk->accessed_dirty = entry->word[0] & SPEC_PASID_SSADE;
        break;
    default:
        walk->route = ROUTE_PASS_THROUGH;
    }
    if (walk->root)
        memory_check_table(walk->root, entry->tree_generation, "root of a tree that a PASID entry points to");
}

/* Which PASID stands for the request; false if it may not have one. */
static bool pasid_of(const struct unit *unit, const struct request *request, const uint64_t *context,
                     struct unit_walk *walk, uint8_t *reason)
{
    uint32_t rid_pasid = unit->config.ecap & SPEC_ECAP_RPS ? SPEC_SM_CONTEXT_RID_PASID(context[1]) : 0;

    if (request->has_pasid && !(context[0] & SPEC_SM_CONTEXT_PASIDE)) {
        *reason = SPEC_SCT_6;
        return false;
    }
    if (request->has_pasid && request->pasid == rid_pasid) {
        *reason = SPEC_SCT_9;
        return false;
    }
    walk->pasid = request->has_pasid ? request->pasid : rid_pasid;
    if (walk->pasid < SPEC_SM_CONTEXT_PASIDS(context[0]))
        return true;
    *reason = SPEC_SCT_7;
    return false;
}

void unit_route_pasid(struct unit *unit, struct request *request, const uint64_t *context,
                      struct unit_walk *walk, uint8_t *reason)
{
    struct cached_pasid entry;
    bool present;

    if (request->type != REQUEST_UNTRANSLATED && !(context[0] & SPEC_SM_CONTEXT_DTE)) {
        *reason = SPEC_SCT_5;
        return;
    }
    if (!pasid_of(unit, request, context, walk, reason))
        return;
    if (request->type == REQUEST_TRANSLATED) {
        walk->route = ROUTE_PASS_THROUGH; /* only its device drains it: no domain id is looked at */
        return;
    }
    request->tag_pasid = walk->pasid;
    present = find(unit, request, context, walk, &entry);
    walk->silent = walk->silent || entry.word[0] & SPEC_PASID_FPD;
    if (!present) {
        *reason = (uint8_t)entry.word[1];
        return;
    }
    route_by(&entry, walk);
    request->did = walk->did;
    request->has_did = true;
    request->first_stage = walk->route == ROUTE_FIRST_STAGE;
}

void unit_check_pasid_entries(const struct unit *unit)
{
    struct cache pasids = unit->caches.pasids;

    for (unsigned i = 0; i < pasids.count; i++) {
        const struct cached_pasid *entry = cache_entry(&pasids, i);

        if (entry->present)
            check_live(unit, entry, false);
    }
}
