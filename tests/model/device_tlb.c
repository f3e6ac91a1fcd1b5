/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's TLB (4, and Address Translation Services in the PCI Express specification): keeps what the unit
 * answered until it is told to drop it, however long that takes. */
#include "tests/model/device_traffic.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"

struct entry {
    bool has_pasid;
    bool writable;
    uint32_t pasid;
    unsigned page_lg2;
    uint64_t iova;
    uint64_t hpa;
};

struct wanted {
    bool has_pasid;
    bool write;
    uint32_t pasid;
    uint64_t iova;
};

static uint64_t last_of(uint64_t first, unsigned lg2)
{
    return lg2 >= 64 ? ~0ull : first + ((1ull << lg2) - 1);
}

static bool overlaps(const struct to_drop *drop, uint64_t iova, unsigned lg2)
{
    return iova <= last_of(drop->iova, drop->lg2) && last_of(iova, lg2) >= drop->iova;
}

static bool pasid_matches(const struct to_drop *drop, bool has_pasid, uint32_t pasid)
{
    return has_pasid == drop->has_pasid &&
           (!has_pasid || drop->pasid == DEVICE_ALL_PASIDS || drop->pasid == pasid);
}

static void look_at_freed(void *context, uint64_t hpa, uint64_t last)
{
    struct device *device = context;

    for (unsigned i = 0; i < device->tlb.count; i++) {
        const struct entry *entry = cache_entry(&device->tlb, i);

        if (entry->hpa <= last && last_of(entry->hpa, entry->page_lg2) >= hpa)
            violation(VIOLATION_FREED_CACHED,
                      "[%#lx, %#lx] is freed while the TLB of %s has a translation that leads there, of %#lx",
                      (unsigned long)hpa, (unsigned long)last, device->name, (unsigned long)entry->iova);
    }
}

void device_tlb_make(struct device *device)
{
    if (!device->has_ats)
        return;
    cache_make(&device->tlb, sizeof(struct entry));
    memory_on_free(look_at_freed, device);
}

void device_tlb_add(struct device *device, const struct sent *sent)
{
    const struct request *request = &sent->request;
    uint64_t mask = (1ull << request->page_lg2) - 1;
    struct entry entry;

    __builtin_memset(&entry, 0, sizeof entry); /* padding too: entries are compared as bytes */
    entry.has_pasid = request->has_pasid;
    entry.writable = request->writable;
    entry.pasid = request->pasid;
    entry.page_lg2 = request->page_lg2;
    entry.iova = request->iova & ~mask;
    entry.hpa = request->hpa & ~mask;
    history("%s: its TLB has iova %lx at hpa %lx (2^%lu bytes, writable %lu)", history_text(device->name),
            entry.iova, entry.hpa, entry.page_lg2, entry.writable);
    cache_add(NULL, &device->tlb, &entry);
}

static bool allows(const void *context, const void *cached)
{
    const struct wanted *wanted = context;
    const struct entry *entry = cached;

    return entry->has_pasid == wanted->has_pasid && entry->pasid == wanted->pasid &&
           wanted->iova >= entry->iova && wanted->iova <= last_of(entry->iova, entry->page_lg2) &&
           (entry->writable || !wanted->write);
}

bool device_tlb_lookup(struct device *device, bool has_pasid, uint32_t pasid, uint64_t iova, bool write,
                       uint64_t *hpa)
{
    const struct wanted wanted = {has_pasid, write, pasid, iova};
    const struct entry *entry = cache_find(&device->tlb, allows, &wanted);

    if (!entry)
        return false;
    *hpa = entry->hpa + (iova - entry->iova);
    return true;
}

/* --- invalidation --- */

void device_invalidate(struct device *device, bool has_pasid, uint32_t pasid, uint64_t iova, unsigned lg2,
                       unsigned tag)
{
    struct device_traffic *traffic = device->traffic;

    if (device->silent || device->gone || !device->ats_on)
        return;
    expect(traffic->to_drop_count < DEVICE_TO_DROP_MAX);
    traffic->to_drop[traffic->to_drop_count++] = (struct to_drop){has_pasid, pasid, iova, lg2, tag};
}

static bool goes(const void *context, const void *cached)
{
    const struct to_drop *drop = context;
    const struct entry *entry = cached;

    return pasid_matches(drop, entry->has_pasid, entry->pasid) &&
           overlaps(drop, entry->iova, entry->page_lg2);
}

/* An answer that is on its way may be as old as what is dropped. How much it covers is not known yet. */
static void spoil_answers(struct device *device, const struct to_drop *drop)
{
    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++) {
        struct sent *sent = &device->traffic->sent[i];
        const struct request *request = &sent->request;

        if (sent->in_use && request->type == REQUEST_TRANSLATION &&
            pasid_matches(drop, request->has_pasid, request->pasid) &&
            overlaps(drop, request->iova & ~((1ull << 30) - 1), 30))
            sent->stale = true;
    }
}

static bool all(const void *context, const void *entry)
{
    (void)context;
    (void)entry;
    return true;
}

void device_tlb_forget(struct device *device)
{
    cache_drop(&device->tlb, all, NULL);
    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++)
        device->traffic->sent[i].stale = true;
}

struct waiting {
    const struct device *device;
    const struct to_drop *drop;
};

static bool is_made_of_it(const struct sent *sent, const struct to_drop *drop)
{
    return sent->in_use && sent->request.type == REQUEST_TRANSLATED &&
           pasid_matches(drop, sent->tlb_has_pasid, sent->tlb_pasid) && overlaps(drop, sent->iova, 0);
}

static bool none_is_on_its_way(void *context)
{
    const struct waiting *waiting = context;

    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++) {
        const struct sent *sent = &waiting->device->traffic->sent[i];

        if (is_made_of_it(sent, waiting->drop) && sent->request.state == REQUEST_WALKING)
            return false;
    }
    return true;
}

/* Translated requests that were made of what is dropped land before the answer: it pushes the writes ahead of
 * it, and reads are waited for (6.5.4). */
static void land_made_of(struct device *device, const struct to_drop *drop)
{
    struct waiting waiting = {device, drop};

    schedule_wait(none_is_on_its_way, &waiting, "translated requests to be let through");
    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++) {
        struct sent *sent = &device->traffic->sent[i];

        if (!is_made_of_it(sent, drop) || sent->request.state != REQUEST_POSTED)
            continue;
        unit_request_land(device->unit, &sent->request);
        schedule_point(POINT_HARDWARE, NULL);
    }
}

static struct to_drop take(struct device_traffic *traffic)
{
    unsigned chosen = traffic->to_drop_count > 1 ? schedule_choose(traffic->to_drop_count) : 0;
    struct to_drop drop = traffic->to_drop[chosen];

    traffic->to_drop_count--;
    for (unsigned i = chosen; i < traffic->to_drop_count; i++)
        traffic->to_drop[i] = traffic->to_drop[i + 1];
    return drop;
}

static bool was_asked(void *context)
{
    const struct device *device = context;

    return device->traffic->to_drop_count > 0;
}

struct overdue {
    const struct unit *unit;
    unsigned tag;
};

static bool is_overdue(void *context)
{
    const struct overdue *overdue = context;

    return !unit_queue_awaits(overdue->unit, overdue->tag);
}

static void answer(struct device *device, const struct to_drop *drop)
{
    struct overdue overdue = {device->unit, drop->tag};

    cache_drop(&device->tlb, goes, drop);
    spoil_answers(device, drop);
    land_made_of(device, drop);
    history("%s: dropped [%lx, +2^%lu), tag %lu", history_text(device->name), drop->iova, drop->lg2,
            drop->tag);
    schedule_point(POINT_HARDWARE, NULL);
    if (device->late)
        schedule_wait(is_overdue, &overdue, "the unit to give up");
    if (device->gone)
        return;
    unit_queue_answer(device->unit, drop->tag, device->source_id);
}

void device_answer_agent(void *context)
{
    struct device *device = context;

    for (;;) {
        struct to_drop drop;

        schedule_wait(was_asked, device, "invalidations");
        schedule_point(POINT_HARDWARE, NULL);
        drop = take(device->traffic);
        answer(device, &drop);
    }
}
