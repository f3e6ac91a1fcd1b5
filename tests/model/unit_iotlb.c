/* SPDX-License-Identifier: BSD-2-Clause */
/* The IOTLB (6.2.4): how a request finds a cached translation, what that allows, and what is kept. */
#include "lib/units.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/unit_tables.h"
#include "tests/model/violation.h"

struct key {
    const struct request *request;
    const struct unit_walk *walk;
};

static bool covers(const struct cached_translation *entry, uint64_t iova)
{
    return iova >> entry->page_lg2 == entry->iova >> entry->page_lg2;
}

static bool matches_source(const void *context, const void *entry)
{
    const struct cached_translation *translation = entry;
    const struct request *request = context;

    /* Which PASID stands for requests that have none is a word of the context entry, which this look-up does
     * without. */
    return translation->source_id == request->source_id && translation->for_pasid == request->has_pasid &&
           (!request->has_pasid || translation->pasid == request->pasid) &&
           covers(translation, request->iova);
}

/* Second stage: by domain id, whoever filled it; first stage: by domain id and PASID (6.2.1). */
static bool matches_tags(const void *context, const void *entry)
{
    const struct cached_translation *translation = entry;
    const struct key *key = context;
    bool first_stage = key->walk->route == ROUTE_FIRST_STAGE;

    return translation->first_stage == first_stage && translation->did == key->walk->did &&
           (!first_stage || translation->pasid == key->walk->pasid) &&
           covers(translation, key->request->iova);
}

/* The entry is used: what it came from must stand still. */
static void check_alive(const struct unit *unit, const struct request *request,
                        const struct cached_translation *entry)
{
    if (!entry->table)
        return; /* pass-through reaches all memory, whoever's it is */
    memory_check_table(entry->table, entry->generation, "table that a cached translation was read from");
    if (entry->target_generation && memory_generation(entry->hpa) != entry->target_generation)
        violation(
            VIOLATION_FORBIDDEN,
            "vtd%u, request of %#x for %#lx: a cached translation of domain id %u, PASID %u leads to %#lx, "
            "which was freed since it was cached",
            unit->index, request->source_id, (unsigned long)request->iova, entry->did, entry->pasid,
            (unsigned long)entry->hpa);
}

/* A cached translation that does not allow what is asked for may be believed, or not: both is in the unit's
 * discretion, as on CPUs. One that was cached for reading may lack the dirty bit: then a write has to walk.
 */
static enum unit_hit judge(const struct request *request, const struct cached_translation *entry)
{
    bool asks = request->type == REQUEST_TRANSLATION;

    bool allowed = request->write ? entry->writable : entry->readable;

    if (!entry->present)
        return HIT_REFUSED;
    if (allowed)
        return request->write && !entry->dirty ? HIT_NONE : HIT_ALLOWED;
    if (schedule_choose(2) == 0)
        return HIT_NONE;
    return asks && entry->readable ? HIT_ALLOWED : HIT_REFUSED;
}

static enum unit_hit look_up(struct unit *unit, const struct request *request,
                             bool (*matches)(const void *context, const void *entry), const void *context,
                             struct cached_translation *result)
{
    const struct cached_translation *entry;

    caches_maybe_drop(&unit->caches);
    entry = cache_find(&unit->caches.translations, matches, context);
    if (!entry)
        return HIT_NONE;
    *result = *entry;
    if (result->present)
        check_alive(unit, request, result);
    return judge(request, result);
}

enum unit_hit unit_iotlb_by_source(struct unit *unit, struct request *request,
                                   struct cached_translation *result)
{
    enum unit_hit hit = look_up(unit, request, matches_source, request, result);

    if (hit == HIT_NONE)
        return hit;
    request->did = result->did;
    request->tag_pasid = result->pasid;
    request->first_stage = result->first_stage;
    request->has_did = true;
    return hit;
}

enum unit_hit unit_iotlb_by_tags(struct unit *unit, const struct request *request,
                                 const struct unit_walk *walk, struct cached_translation *result)
{
    const struct key key = {request, walk};

    return look_up(unit, request, matches_tags, &key, result);
}

/* Another entry of the same tags for the same address, but of less use. */
static bool superseded(const void *context, const void *entry)
{
    const struct cached_translation *new = context, *old = entry;

    return old->present && old->source_id == new->source_id && old->did == new->did &&
           old->pasid == new->pasid && old->for_pasid == new->for_pasid &&
           old->first_stage == new->first_stage && old->iova == new->iova && old->page_lg2 == new->page_lg2;
}

void unit_iotlb_fill(struct unit *unit, const struct request *request, struct cached_translation *translation)
{
    /* A large page may be cached in parts, any of which an invalidation has to name (6.2.4). */
    if (translation->page_lg2 > PAGE_LG2 && schedule_choose(2) == 1) {
        uint64_t offset = request->iova - translation->iova;

        translation->page_lg2 = PAGE_LG2;
        translation->iova += align_down(offset, PAGE_SIZE);
        translation->hpa += align_down(offset, PAGE_SIZE);
    }
    translation->target_generation = translation->present ? memory_generation(translation->hpa) : 0;
    if (request->no_fill_iotlb)
        return;
    cache_drop(&unit->caches.translations, superseded, translation);
    history("vtd%lu: caches %#lx of did %lu, PASID %lu: to %#lx, 2^%lu bytes", unit->index, translation->iova,
            translation->did, translation->pasid, translation->hpa, translation->page_lg2);
    cache_add(&unit->caches, &unit->caches.translations, translation);
}
