/* SPDX-License-Identifier: BSD-2-Clause */
/* A request's way through the unit (3.4): from the list of those under way, through the tables, to memory. */
#include "lib/units.h"
#include "tests/model/device.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/unit_tables.h"
#include "tests/model/violation.h"

/* The bits that the registers of a protected region lack (unit_registers.c): a limit has them set. */
#define PROTECTED_GRAIN 0x1fffffull

static const char *kind(const struct request *request)
{
    switch (request->type) {
    case REQUEST_TRANSLATION:
        return request->write ? "translation request to write" : "translation request to read";
    case REQUEST_TRANSLATED:
        return request->write ? "translated write" : "translated read";
    default:
        return request->write ? "write" : "read";
    }
}

/* --- outcomes --- */

/* reason 0: blocked without a fault. */
static void refuse(struct unit *unit, struct request *request, uint8_t reason, bool silent)
{
    history("vtd%lu: refuses the %s of %#lx at %#lx: reason %#lx, recorded %lu", unit->index,
            history_text(kind(request)), request->source_id, request->iova, reason, reason && !silent);
    request->reason = reason;
    if (reason && !silent)
        unit_fault(unit, request, reason);
    request->state = REQUEST_REFUSED;
}

static void post(struct request *request, uint64_t hpa, unsigned page_lg2, bool writable)
{
    request->hpa = hpa;
    request->page_lg2 = page_lg2;
    request->writable = writable;
    request->target_generation = memory_generation(hpa);
    request->state = REQUEST_POSTED;
    history("%s of %#lx at %#lx goes to %#lx", history_text(kind(request)), request->source_id, request->iova,
            hpa);
}

/* A translation request for what is not mapped, or not so, is answered without permissions, and nothing is
 * wrong with that (4.2.3, 7.1.3). */
static bool answers_no(const struct request *request, uint8_t reason)
{
    static const uint8_t reasons[] = {
        SPEC_LGN_1, SPEC_LGN_2, SPEC_LGN_3, SPEC_SPD_2, SPEC_SPT_2, SPEC_SFS_2, SPEC_SFS_9,
        SPEC_SSS_2, SPEC_SGN_1, SPEC_SGN_2, SPEC_SGN_4, SPEC_SGN_5, SPEC_SGN_6, SPEC_SGN_7,
    };

    for (unsigned i = 0; request->type == REQUEST_TRANSLATION && i < ARRAY_SIZE(reasons); i++)
        if (reasons[i] == reason)
            return true;
    return false;
}

/* --- protected memory (11.4.8) --- */

static bool in_region(uint64_t hpa, uint64_t base, uint64_t limit)
{
    return base <= limit && hpa >= base && hpa <= (limit | PROTECTED_GRAIN);
}

static bool is_protected(const struct unit *unit, uint64_t hpa)
{
    uint64_t cap = unit->config.cap;

    if (!(unit->pmen & SPEC_PMEN_PRS))
        return false;
    return (cap & SPEC_CAP_PLMR && in_region(hpa, unit->plmbase, unit->plmlimit)) ||
           (cap & SPEC_CAP_PHMR && in_region(hpa, unit->phmbase, unit->phmlimit));
}

/* What was remapped may be blocked or not there (11.4.8.1). Nothing is recorded. */
static bool blocked_by_region(const struct unit *unit, const struct request *request, bool remapped,
                              uint64_t hpa)
{
    return request->type != REQUEST_TRANSLATION && is_protected(unit, hpa) &&
           (!remapped || schedule_choose(2) == 1);
}

/* --- the way --- */

static bool in_interrupt_window(uint64_t address)
{
    return address >= SPEC_INTERRUPT_FIRST && address <= SPEC_INTERRUPT_LAST;
}

static void post_unmapped(struct unit *unit, struct request *request)
{
    if (blocked_by_region(unit, request, false, request->iova))
        refuse(unit, request, 0, true);
    else
        post(request, request->iova, PAGE_LG2, true);
}

/* Identity, cached like any other translation: under the domain id of the entry (6.2.1). */
static void pass_through(struct unit *unit, struct request *request, const struct unit_walk *walk)
{
    unsigned mgaw = SPEC_CAP_MGAW(unit->config.cap) + 1;
    struct cached_translation identity = {
        .present = true,
        .source_id = request->source_id,
        .for_pasid = request->has_pasid,
        .did = walk->did,
        .pasid = walk->pasid,
        .iova = align_down(request->iova, PAGE_SIZE),
        .page_lg2 = PAGE_LG2,
        .hpa = align_down(request->iova, PAGE_SIZE),
        .readable = true,
        .writable = true,
        .dirty = true,
    };

    if (request->iova >> (mgaw < SPEC_HAW ? mgaw : SPEC_HAW))
        refuse(unit, request, walk->scalable ? SPEC_SGN_4 : SPEC_LGN_1, walk->silent);
    else if (in_interrupt_window(request->iova))
        refuse(unit, request, walk->scalable ? SPEC_SGN_8 : SPEC_LGN_4, walk->silent);
    else {
        if (request->type != REQUEST_TRANSLATED)
            unit_iotlb_fill(unit, request, &identity);
        post_unmapped(unit, request);
    }
}

static void post_mapped(struct unit *unit, struct request *request,
                        const struct cached_translation *translation, bool scalable, bool silent)
{
    uint64_t hpa = translation->hpa + (request->iova & ((1ull << translation->page_lg2) - 1));

    if (in_interrupt_window(hpa))
        refuse(unit, request, scalable ? SPEC_SGN_8 : SPEC_LGN_4, silent);
    else if (blocked_by_region(unit, request, translation->table != 0, hpa))
        refuse(unit, request, 0, true);
    else
        post(request, hpa, translation->page_lg2,
             translation->writable && (translation->dirty || request->write));
}

static void translate(struct unit *unit, struct request *request)
{
    struct cached_translation translation;
    struct unit_walk walk;
    uint8_t reason = 0;
    bool found = false;

    unit_route(unit, request, &walk, &reason);
    if (walk.route == ROUTE_PASS_THROUGH) {
        pass_through(unit, request, &walk);
        return;
    }
    if (walk.route != ROUTE_REFUSED)
        found = unit_walk(unit, request, &walk, &translation, &reason);
    if (found)
        post_mapped(unit, request, &translation, walk.scalable, walk.silent);
    else
        refuse(unit, request, reason, walk.silent || answers_no(request, reason));
}

/* A unit may find a translation by the request's source, and not look at any table before it has to. */
static bool shortcut(struct unit *unit, struct request *request)
{
    struct cached_translation translation;

    if (request->type != REQUEST_UNTRANSLATED || !unit->caches.translations.count || schedule_choose(2) == 0)
        return false;
    if (unit_iotlb_by_source(unit, request, &translation) != HIT_ALLOWED)
        return false;
    post_mapped(unit, request, &translation, SPEC_RTADDR_TTM(unit->root) == SPEC_TTM_SCALABLE, false);
    return true;
}

void unit_translate(struct unit *unit, struct request *request)
{
    request->state = REQUEST_WALKING;
    request->started = schedule_step();
    list_append(&unit->requests, &request->link);
    if (request->has_pasid)
        history("vtd%lu: %s of %#lx at %#lx, PASID %lu", unit->index, history_text(kind(request)),
                request->source_id, request->iova, request->pasid);
    else
        history("vtd%lu: %s of %#lx at %#lx", unit->index, history_text(kind(request)), request->source_id,
                request->iova);
    schedule_point(POINT_HARDWARE, NULL);

    if (request->type != REQUEST_TRANSLATED && !request->has_pasid && in_interrupt_window(request->iova)) {
        /* 3.14: a write there is an interrupt, and anything else an error; neither is an access to memory.
         * Who asks for a translation gets none, whatever the tables say (7.1.3, special conditions). */
        if (request->write && request->type == REQUEST_UNTRANSLATED)
            unit_interrupt(unit, request->source_id, request->iova, 0);
        refuse(unit, request, 0, true);
    } else if (!unit_translates(unit)) {
        /* Nobody asks for translations or has any where translation is off. */
        if (request->type == REQUEST_UNTRANSLATED && !request->has_pasid)
            post_unmapped(unit, request);
        else
            refuse(unit, request, 0, true);
    } else if (SPEC_RTADDR_TTM(unit->root) == SPEC_TTM_ABORT) {
        refuse(unit, request, 0, true);
    } else if (!shortcut(unit, request)) {
        translate(unit, request);
    }
}

void unit_request_land(struct unit *unit, struct request *request)
{
    const struct device_watch *watch = request->device ? &request->device->watch : NULL;

    if (request->type != REQUEST_TRANSLATION) {
        enum page_use use = memory_use(request->hpa);

        if (use != PAGE_DMA)
            violation(VIOLATION_FORBIDDEN, "vtd%u: a %s of %#x at %#lx reaches %#lx, which is %s",
                      unit->index, kind(request), request->source_id, (unsigned long)request->iova,
                      (unsigned long)request->hpa,
                      use == PAGE_HYPERVISOR ? "the hypervisor's own"
                      : use == PAGE_FREE     ? "free"
                                             : "no memory");
        if (memory_generation(request->hpa) != request->target_generation)
            violation(
                VIOLATION_FORBIDDEN,
                "vtd%u: a %s of %#x at %#lx, under way since step %lu, reaches %#lx, which was freed and "
                "given to somebody else since it was translated",
                unit->index, kind(request), request->source_id, (unsigned long)request->iova,
                (unsigned long)request->started, (unsigned long)request->hpa);
        history("%s of %#lx at %#lx lands at %#lx", history_text(kind(request)), request->source_id,
                request->iova, request->hpa);
        if (watch && watch->lands)
            watch->lands(watch->context, request);
    }
    request->state = REQUEST_LANDED;
}

void unit_request_end(struct unit *unit, struct request *request)
{
    history("vtd%lu: %s of %#lx at %#lx is over", unit->index, history_text(kind(request)),
            request->source_id, request->iova);
    list_remove(&request->link);
}
