/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device sends: accesses, posted writes that stay under way, and translation requests. */
#include "tests/model/device.h"
#include "lib/compiler.h"
#include "tests/model/choices.h"
#include "tests/model/device_traffic.h"
#include "tests/model/history.h"
#include "tests/model/machine.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"
#include <stdlib.h>

#define DEVICES_MAX 8

/* Writes that may be under way from one device at a time. */
#define POSTED_MAX 4

#define TRAVEL_MAX 64

static struct device *devices[DEVICES_MAX];
static unsigned device_count;

struct device *device_find(uint16_t source_id)
{
    for (unsigned i = 0; i < device_count; i++)
        if (devices[i]->source_id == source_id)
            return devices[i];
    return NULL;
}

void device_make(struct device *device, const char *name, uint16_t source_id, bool has_ats)
{
    *device = (struct device){.name = name,
                              .unit = machine_unit_of(source_id),
                              .source_id = source_id,
                              .has_ats = has_ats,
                              .ats_on = has_ats,
                              .bus_master = true};
    expect(device_count < DEVICES_MAX && !device_find(source_id));
    devices[device_count++] = device;
    device->traffic = calloc(1, sizeof *device->traffic);
    expect(device->traffic);
    device_tlb_make(device);
    if (has_ats)
        agent_start(AGENT_HARDWARE, 0, name, device_answer_agent, device);
}

uint64_t device_request_iova(const struct request *request)
{
    return CONTAINER_OF(request, struct sent, request)->iova;
}

/* --- what is under way --- */

static bool is_posted(const struct sent *sent)
{
    return sent->in_use && sent->posted && sent->request.state == REQUEST_POSTED;
}

static void finish(struct device *device, struct sent *sent)
{
    unit_request_end(device->unit, &sent->request);
    sent->in_use = false;
}

/* What an invalidation drained meanwhile has landed already. */
static void forget_landed(struct device *device)
{
    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++) {
        struct sent *sent = &device->traffic->sent[i];

        if (sent->in_use && sent->posted && sent->request.state != REQUEST_POSTED)
            finish(device, sent);
    }
}

static struct sent *choose_posted(struct device *device)
{
    struct sent *found[DEVICE_SENT_MAX];
    unsigned count = 0;

    forget_landed(device);
    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++)
        if (is_posted(&device->traffic->sent[i]))
            found[count++] = &device->traffic->sent[i];
    return count ? found[count > 1 ? schedule_choose(count) : 0] : NULL;
}

static unsigned count_posted(const struct device *device)
{
    unsigned count = 0;

    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++)
        count += is_posted(&device->traffic->sent[i]);
    return count;
}

static void land(struct device *device, struct sent *sent)
{
    schedule_point(POINT_HARDWARE, NULL);
    if (sent->request.state == REQUEST_POSTED)
        unit_request_land(device->unit, &sent->request);
}

/* All of them, one after the other, in any order: writes may be of several traffic classes. */
static void land_posted(struct device *device)
{
    struct sent *sent;

    while ((sent = choose_posted(device)) != NULL)
        land(device, sent);
}

static bool has_room(void *context)
{
    const struct device *device = context;

    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++)
        if (!device->traffic->sent[i].in_use)
            return true;
    return false;
}

static struct sent *take_room(struct device *device)
{
    struct sent *sent = device->traffic->sent;

    while (count_posted(device) >= POSTED_MAX)
        land(device, choose_posted(device));
    forget_landed(device);
    schedule_wait(has_room, device, "room for a request");
    while (sent->in_use)
        sent++;
    sent->in_use = true;
    return sent;
}

/* --- requests --- */

struct access {
    bool has_pasid;
    uint32_t pasid;
    uint64_t iova;
    bool write;
};

static void fill(struct device *device, struct sent *sent, const struct access *access,
                 enum request_type type, uint64_t address)
{
    *sent = (struct sent){
        .in_use = true,
        .iova = access->iova,
        .request = {.device = device,
                    .source_id = device->source_id,
                    .type = type,
                    /* Translated requests carry no PASID, unless told to (9.4, EPTR). */
                    .has_pasid = access->has_pasid && type != REQUEST_TRANSLATED,
                    .pasid = type == REQUEST_TRANSLATED ? 0 : access->pasid,
                    .iova = address,
                    .write = access->write,
                    .started = schedule_step()},
    };
    list_init(&sent->request.link);
}

/* False if it is refused; it is over then. */
static bool send(struct device *device, struct sent *sent)
{
    if (device->watch.begins)
        device->watch.begins(device->watch.context, &sent->request);
    unit_translate(device->unit, &sent->request);
    if (sent->request.state != REQUEST_REFUSED)
        return true;
    if (device->watch.refused)
        device->watch.refused(device->watch.context, &sent->request);
    finish(device, sent);
    return false;
}

/* Where the access of a request that was let through happens: a write some time from now on; a read, which
 * nothing overtakes, before the device goes on, and not before the writes that were sent ahead of it. */
static void complete(struct device *device, struct sent *sent)
{
    if (sent->request.write) {
        sent->posted = true;
        if (!schedule_chance(2))
            land(device, sent);
        forget_landed(device);
        return;
    }
    land_posted(device);
    land(device, sent);
    finish(device, sent);
}

static bool may_send(const struct device *device)
{
    return device->bus_master && !device->going;
}

static bool access_untranslated(struct device *device, const struct access *access)
{
    struct sent *sent = take_room(device);

    if (!may_send(device)) {
        sent->in_use = false;
        return false;
    }
    fill(device, sent, access, REQUEST_UNTRANSLATED, access->iova);
    if (!send(device, sent))
        return false;
    complete(device, sent);
    return true;
}

/* An answer is on its way, now and then for long. */
static void travel(void)
{
    unsigned steps = choices_mode() == CHOICES_RANDOM && schedule_chance(4) ? schedule_choose(TRAVEL_MAX) : 0;

    do
        schedule_point(POINT_HARDWARE, NULL);
    while (steps--);
}

/* Asks the unit, and keeps the answer unless it was to be dropped already while it was on its way. False if
 * there is none that allows the access. */
static bool ask(struct device *device, struct sent *sent, const struct access *access)
{
    bool allowed;

    fill(device, sent, access, REQUEST_TRANSLATION, access->iova);
    if (!send(device, sent))
        return false;
    travel();
    allowed = !access->write || sent->request.writable;
    if (!allowed && device->watch.refused)
        device->watch.refused(device->watch.context, &sent->request);
    if (allowed && !sent->stale)
        device_tlb_add(device, sent);
    finish(device, sent);
    return allowed;
}

/* By the device's TLB. From the lookup to the request there is no step, so that an invalidation sees either
 * the entry or the request that was made of it. */
static bool access_translated(struct device *device, const struct access *access)
{
    while (may_send(device)) {
        struct sent *sent = take_room(device);
        uint64_t hpa;

        /* It may have lost the right meanwhile. */
        if (!may_send(device) || !device->ats_on) {
            sent->in_use = false;
            return false;
        }

        if (device_tlb_lookup(device, access->has_pasid, access->pasid, access->iova, access->write, &hpa)) {
            fill(device, sent, access, REQUEST_TRANSLATED, hpa);
            sent->tlb_pasid = access->pasid;
            sent->tlb_has_pasid = access->has_pasid;
            if (!send(device, sent))
                return false;
            complete(device, sent);
            return true;
        }
        if (!ask(device, sent, access))
            return false;
    }
    return false;
}

static bool access_by(struct device *device, const struct access *access)
{
    struct sent *posted = choose_posted(device);

    if (posted && schedule_chance(2))
        land(device, posted);
    if (!may_send(device))
        return false;
    return device->ats_on ? access_translated(device, access) : access_untranslated(device, access);
}

bool device_access(struct device *device, uint64_t iova, bool write)
{
    return access_by(device, &(struct access){.iova = iova, .write = write});
}

bool device_access_pasid(struct device *device, uint32_t pasid, uint64_t iova, bool write)
{
    return access_by(device,
                     &(struct access){.has_pasid = true, .pasid = pasid, .iova = iova, .write = write});
}

void device_drain(struct device *device)
{
    land_posted(device);
}
