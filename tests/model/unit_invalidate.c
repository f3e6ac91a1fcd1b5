/* SPDX-License-Identifier: BSD-2-Clause */
/* Carries out invalidations: what is cached goes at once, and then what is under way and may have used it is
 * waited for. New requests come in meanwhile, and find what is in memory. */
#include "tests/model/unit_invalidate.h"
#include "tests/model/device.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_registers.h"
#include "tests/model/write_buffer.h"

/* Who waits for a request (request->awaited): invalidations are carried out by two agents of the unit, each
 * one at a time. */
#define AWAITED_BY_QUEUE     1u
#define AWAITED_BY_REGISTERS 2u

#define TAGS 32u /* of requests to devices */

struct waiting {
    struct unit *unit;
    uint8_t by;
};

static void forbid_fill(const struct scope *scope, struct request *request)
{
    switch (scope->kind) {
    case SCOPE_CONTEXT:
        request->no_fill_context = true;
        break;
    case SCOPE_PASID_CACHE:
        request->no_fill_pasid = true;
        break;
    default:
        request->no_fill_iotlb = true;
        break;
    }
}

/* 6.5.2.3: up to version 1 only what software asks for is drained, and only where the unit can; later units
 * always drain, and so do PASID-based invalidations (6.5.2.4). */
static bool must_drain(const struct unit *unit, const struct scope *scope, uint64_t word0,
                       const struct request *request)
{
    if (!scope_drains(scope, request))
        return false;
    if (scope->kind == SCOPE_PASID_IOTLB || SPEC_VER_MAJOR(unit->config.ver) >= 2)
        return true;
    return request->write ? word0 & SPEC_IOTLB_DW && unit->config.cap & SPEC_CAP_DWD
                          : word0 & SPEC_IOTLB_DR && unit->config.cap & SPEC_CAP_DRD;
}

/* A request that walks is waited for whether or not its access is drained: a walk that went on would read
 * tables that software frees. */
static void mark(struct unit *unit, const struct scope *scope, uint64_t word0)
{
    list_for_each (node, &unit->requests) {
        struct request *request = list_entry(node, struct request, link);

        if (scope_walks(scope, request)) {
            forbid_fill(scope, request);
            request->awaited |= AWAITED_BY_QUEUE;
        } else if (request->state == REQUEST_POSTED && must_drain(unit, scope, word0, request)) {
            request->awaited |= AWAITED_BY_QUEUE;
        }
    }
}

static bool none_walks(void *context)
{
    const struct waiting *waiting = context;

    list_for_each (node, &waiting->unit->requests) {
        const struct request *request = list_entry(node, struct request, link);

        if (request->awaited & waiting->by && request->state == REQUEST_WALKING)
            return false;
    }
    return true;
}

/* One that is to be drained before the invalidation is complete, in any order; NULL when there is none. */
static struct request *next_to_land(struct unit *unit, const struct scope *scope, uint64_t word0)
{
    struct request *found[UNIT_PENDING_MAX];
    unsigned count = 0;

    list_for_each (node, &unit->requests) {
        struct request *request = list_entry(node, struct request, link);

        if (request->awaited & AWAITED_BY_QUEUE && request->state == REQUEST_POSTED &&
            must_drain(unit, scope, word0, request) && count < UNIT_PENDING_MAX)
            found[count++] = request;
    }
    return count ? found[count > 1 ? schedule_choose(count) : 0] : NULL;
}

static void release(struct unit *unit, uint8_t by)
{
    list_for_each (node, &unit->requests) {
        struct request *request = list_entry(node, struct request, link);

        request->awaited &= (uint8_t)~by;
    }
}

static void invalidate(struct unit *unit, const struct scope *scope, uint64_t word0)
{
    struct waiting waiting = {unit, AWAITED_BY_QUEUE};
    struct request *request;

    /* 6.5.2.1, 6.5.2.3: these flush the write buffer themselves. */
    if (scope->kind != SCOPE_PASID_CACHE && unit->config.cap & SPEC_CAP_RWBF)
        write_buffer_drain();
    scope_drop(unit, scope);
    mark(unit, scope, word0);
    schedule_point(POINT_HARDWARE, NULL);
    schedule_wait(none_walks, &waiting, "requests that walk while it invalidates");
    while ((request = next_to_land(unit, scope, word0)) != NULL) {
        unit_request_land(unit, request);
        schedule_point(POINT_HARDWARE, NULL);
    }
    release(unit, AWAITED_BY_QUEUE);
}

/* A global invalidation that SRTP left to software counts only after those above it (6.6). */
static void pay(struct unit *unit, uint32_t what, uint32_t first)
{
    if (!(unit->owed & first))
        unit->owed &= ~what;
}

static void invalidate_contexts(struct unit *unit, uint64_t word0)
{
    bool scalable = SPEC_RTADDR_TTM(unit->root) != SPEC_TTM_LEGACY;
    unsigned g = SPEC_DESCRIPTOR_G(word0);
    struct scope scope = {
        .kind = SCOPE_CONTEXT,
        .by_source = g == SPEC_CONTEXT_DEVICE,
        .source_id = SPEC_CONTEXT_SID(word0),
        /* FM masks bit 2, bits 2:1 or bits 2:0. */
        .source_mask = (uint16_t) ~(7u & ~(7u >> SPEC_CONTEXT_FM(word0))),
        .by_did = g != SPEC_CONTEXT_GLOBAL && !scalable,
        .did = SPEC_DESCRIPTOR_DID(word0),
    };

    invalidate(unit, &scope, word0);
    if (!scope.by_source && !scope.by_did)
        pay(unit, UNIT_OWES_CONTEXTS, 0);
}

static void invalidate_pasids(struct unit *unit, uint64_t word0)
{
    unsigned g = SPEC_DESCRIPTOR_G(word0);
    struct scope scope = {
        .kind = SCOPE_PASID_CACHE,
        .by_did = g != SPEC_PASID_CACHE_GLOBAL,
        .did = SPEC_DESCRIPTOR_DID(word0),
        .by_pasid = g == SPEC_PASID_CACHE_PASID,
        .pasid = SPEC_DESCRIPTOR_PASID(word0),
    };

    invalidate(unit, &scope, word0);
    if (!scope.by_did)
        pay(unit, UNIT_OWES_PASIDS, UNIT_OWES_CONTEXTS);
}

static void invalidate_iotlb(struct unit *unit, uint64_t word0, uint64_t word1)
{
    unsigned g = SPEC_DESCRIPTOR_G(word0);
    struct scope scope = {
        .kind = SCOPE_IOTLB,
        .by_did = g != SPEC_IOTLB_GLOBAL,
        .did = SPEC_DESCRIPTOR_DID(word0),
        .by_address = g == SPEC_IOTLB_PAGE,
        .iova = word1 & SPEC_DESCRIPTOR_ADDRESS,
        .lg2 = 12 + SPEC_DESCRIPTOR_AM(word1),
        .leaves_only = word1 & SPEC_DESCRIPTOR_IH,
    };

    invalidate(unit, &scope, word0);
    if (!scope.by_did)
        pay(unit, UNIT_OWES_IOTLB, UNIT_OWES_CONTEXTS | UNIT_OWES_PASIDS);
}

static void invalidate_pasid_iotlb(struct unit *unit, uint64_t word0, uint64_t word1)
{
    struct scope scope = {
        .kind = SCOPE_PASID_IOTLB,
        .by_did = true,
        .did = SPEC_DESCRIPTOR_DID(word0),
        .by_pasid = true,
        .pasid = SPEC_DESCRIPTOR_PASID(word0),
        .by_address = SPEC_DESCRIPTOR_G(word0) == SPEC_PASID_IOTLB_PAGE,
        .iova = word1 & SPEC_DESCRIPTOR_ADDRESS,
        .lg2 = 12 + SPEC_DESCRIPTOR_AM(word1),
        .leaves_only = word1 & SPEC_DESCRIPTOR_IH,
    };

    invalidate(unit, &scope, word0);
}

static bool interrupt_goes(const void *context, const void *entry)
{
    const uint64_t *word0 = context;
    const struct cached_interrupt *cached = entry;
    unsigned differs = SPEC_INTERRUPT_INDEX(*word0) ^ (unsigned)cached->index;

    return !(*word0 & SPEC_INTERRUPT_SELECTIVE) || differs >> SPEC_INTERRUPT_IM(*word0) == 0;
}

static void invalidate_interrupts(struct unit *unit, uint64_t word0)
{
    if (unit->config.cap & SPEC_CAP_RWBF)
        write_buffer_drain();
    cache_drop(&unit->caches.interrupts, interrupt_goes, &word0);
    if (!(word0 & SPEC_INTERRUPT_SELECTIVE))
        pay(unit, UNIT_OWES_INTERRUPTS, 0);
}

/* One that no request under way has: a device answers in any order. The queue holds fewer than there are. */
static unsigned draw_tag(struct unit *unit)
{
    while (unit_queue_awaits(unit, unit->next_tag % TAGS))
        unit->next_tag++;
    return unit->next_tag++ % TAGS;
}

/* A message to the device; its answer completes the descriptor. */
static void send_to_device(struct unit *unit, struct unit_pending *descriptor, uint16_t source_id,
                           bool has_pasid, uint32_t pasid, bool s)
{
    uint64_t address = descriptor->word[1] & SPEC_DESCRIPTOR_ADDRESS;
    unsigned lg2 = spec_ats_range_lg2(address, s);
    struct device *device = device_find(source_id);

    descriptor->tag = draw_tag(unit);
    descriptor->awaits_device = true;
    if (lg2 < 64)
        address &= ~((1ull << lg2) - 1);
    if (device)
        device_invalidate(device, has_pasid, pasid, lg2 < 64 ? address : 0, lg2, descriptor->tag);
}

void unit_invalidate(struct unit *unit, struct unit_pending *descriptor)
{
    uint64_t word0 = descriptor->word[0];
    uint64_t word1 = descriptor->word[1];

    switch (SPEC_DESCRIPTOR_TYPE(word0)) {
    case SPEC_DESCRIPTOR_CONTEXT:
        invalidate_contexts(unit, word0);
        break;
    case SPEC_DESCRIPTOR_IOTLB:
        invalidate_iotlb(unit, word0, word1);
        break;
    case SPEC_DESCRIPTOR_PASID_IOTLB:
        invalidate_pasid_iotlb(unit, word0, word1);
        break;
    case SPEC_DESCRIPTOR_PASID_CACHE:
        invalidate_pasids(unit, word0);
        break;
    case SPEC_DESCRIPTOR_INTERRUPT:
        invalidate_interrupts(unit, word0);
        break;
    case SPEC_DESCRIPTOR_DEVICE:
        send_to_device(unit, descriptor, SPEC_DEVICE_SID(word0), false, 0, word1 & SPEC_DEVICE_S);
        break;
    default:
        send_to_device(unit, descriptor, SPEC_PASID_DEVICE_SID(word0), true,
                       word1 & SPEC_PASID_DEVICE_GI ? DEVICE_ALL_PASIDS : SPEC_DESCRIPTOR_PASID(word0),
                       word1 & SPEC_PASID_DEVICE_S);
        break;
    }
}

void unit_invalidate_everything(struct unit *unit)
{
    static const enum scope_kind kinds[] = {SCOPE_CONTEXT, SCOPE_PASID_CACHE, SCOPE_IOTLB};
    struct waiting waiting = {unit, AWAITED_BY_REGISTERS};

    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        scope_drop(unit, &(struct scope){.kind = kinds[i]});
    list_for_each (node, &unit->requests) {
        struct request *request = list_entry(node, struct request, link);

        if (request->state != REQUEST_WALKING)
            continue;
        request->no_fill_context = request->no_fill_pasid = request->no_fill_iotlb = true;
        request->awaited |= AWAITED_BY_REGISTERS;
    }
    schedule_wait(none_walks, &waiting, "requests that walk while it invalidates");
    release(unit, AWAITED_BY_REGISTERS);
}
