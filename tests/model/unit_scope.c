/* SPDX-License-Identifier: BSD-2-Clause */
/* Which cached entries, and which requests under way, an invalidation is about: no more than the
 * specification says must go (6.5.2.1 to 6.5.2.4, with the tables there of IOTLB and PASID-based IOTLB
 * invalidation). */
#include "tests/model/unit_invalidate.h"

static bool did_matches(const struct scope *scope, uint16_t did)
{
    return !scope->by_did || did == scope->did;
}

static bool pasid_matches(const struct scope *scope, uint32_t pasid)
{
    return !scope->by_pasid || pasid == scope->pasid;
}

static bool source_matches(const struct scope *scope, uint16_t source_id)
{
    return !scope->by_source || ((source_id ^ scope->source_id) & scope->source_mask) == 0;
}

/* Bytes from iova on, 2^lg2, as first and last: of 64 bits they are all. */
static uint64_t last_of(uint64_t iova, unsigned lg2)
{
    return lg2 >= 64 ? ~0ull : iova + ((1ull << lg2) - 1);
}

static bool overlaps(const struct scope *scope, uint64_t iova, unsigned lg2)
{
    return iova <= last_of(scope->iova, scope->lg2) && last_of(iova, lg2) >= scope->iova;
}

static bool covers(const struct scope *scope, uint64_t iova, unsigned lg2)
{
    return iova >= scope->iova && last_of(iova, lg2) <= last_of(scope->iova, scope->lg2);
}

static bool context_goes(const void *context, const void *entry)
{
    const struct scope *scope = context;
    const struct cached_context *cached = entry;

    /* Domain ids are no tags of contexts in scalable mode (6.2.1). */
    return source_matches(scope, cached->source_id) && (cached->scalable || did_matches(scope, cached->did));
}

static bool pasid_goes(const void *context, const void *entry)
{
    const struct scope *scope = context;
    const struct cached_pasid *cached = entry;

    return did_matches(scope, cached->did) && pasid_matches(scope, cached->pasid);
}

/* A large page goes only by an address mask that covers it: 6.5.2.3 and 6.5.3.3 ask software for that, and a
 * unit may hold it in pieces (6.5.3.2). */
static bool translation_goes(const void *context, const void *entry)
{
    const struct scope *scope = context;
    const struct cached_translation *cached = entry;

    if (!did_matches(scope, cached->did))
        return false;
    if (scope->kind == SCOPE_IOTLB)
        return !scope->by_address || cached->first_stage || covers(scope, cached->iova, cached->page_lg2);
    if (!pasid_matches(scope, cached->pasid))
        return false;
    return !scope->by_address || (cached->first_stage && covers(scope, cached->iova, cached->page_lg2));
}

static bool table_goes(const void *context, const void *entry)
{
    const struct scope *scope = context;
    const struct cached_table *cached = entry;
    bool in_range =
        !scope->by_address || (!scope->leaves_only && overlaps(scope, cached->iova, cached->span_lg2));

    if (!did_matches(scope, cached->did))
        return false;
    if (scope->kind == SCOPE_IOTLB)
        return cached->first_stage || in_range;
    return cached->first_stage && pasid_matches(scope, cached->pasid) && in_range;
}

void scope_drop(struct unit *unit, const struct scope *scope)
{
    switch (scope->kind) {
    case SCOPE_CONTEXT:
        cache_drop(&unit->caches.contexts, context_goes, scope);
        break;
    case SCOPE_PASID_CACHE:
        cache_drop(&unit->caches.pasids, pasid_goes, scope);
        break;
    default:
        cache_drop(&unit->caches.translations, translation_goes, scope);
        cache_drop(&unit->caches.tables, table_goes, scope);
        break;
    }
}

/* Of a request whose domain is not known yet it is not known either what it has read on the way there. */
static bool request_did_matches(const struct scope *scope, const struct request *request)
{
    return !request->has_did || did_matches(scope, request->did);
}

static bool request_pasid_matches(const struct scope *scope, const struct request *request)
{
    return !request->has_did || pasid_matches(scope, request->tag_pasid);
}

/* With table entries in scope it can be any of the domain: software may free a table after it has invalidated
 * one page of those that the table was for, if the others had no translation (6.5.3.3), and one of these is
 * what the request may be after. */
static bool address_matters(const struct scope *scope, const struct request *request)
{
    return scope->by_address && scope->leaves_only && (scope->kind != SCOPE_IOTLB || !request->first_stage);
}

bool scope_walks(const struct scope *scope, const struct request *request)
{
    if (request->type == REQUEST_TRANSLATED || request->state != REQUEST_WALKING)
        return false;
    switch (scope->kind) {
    case SCOPE_CONTEXT:
        return source_matches(scope, request->source_id) && request_did_matches(scope, request);
    case SCOPE_PASID_CACHE:
        return request_did_matches(scope, request) && request_pasid_matches(scope, request);
    default:
        /* What it will read, it reads from now on. */
        if (!request->has_did || !did_matches(scope, request->did))
            return false;
        if (scope->kind == SCOPE_PASID_IOTLB &&
            (!request_pasid_matches(scope, request) || (scope->by_address && !request->first_stage)))
            return false;
        return !address_matters(scope, request) || covers(scope, request->iova, 0);
    }
}

bool scope_drains(const struct scope *scope, const struct request *request)
{
    if (scope->kind != SCOPE_IOTLB && scope->kind != SCOPE_PASID_IOTLB)
        return false;
    if (request->type != REQUEST_UNTRANSLATED || !request->has_did || !did_matches(scope, request->did))
        return false;
    if (scope->kind == SCOPE_PASID_IOTLB && !request_pasid_matches(scope, request))
        return false;
    if (!scope->by_address || (scope->kind == SCOPE_IOTLB && request->first_stage))
        return true;
    return overlaps(scope, request->iova, 0);
}
