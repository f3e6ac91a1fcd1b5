/* SPDX-License-Identifier: BSD-2-Clause */
/* Which device is in which domain, and what devices and other agents report. */
#include "lib/list.h"
#include "tests/model/history.h"
#include "tests/model/oracle_state.h"
#include "tests/model/spec_tables.h"
#include "tests/model/violation.h"
#include <inttypes.h>
#include <stdlib.h>

/* A device that some oracle watches. */
struct watched {
    struct list link;
    struct device *device;
    struct oracle *oracle; /* of the domain that it is in, was in last, or goes to */
    enum standing standing;
    uint64_t since;   /* step at which it came in, or was out */
    bool unconfirmed; /* a unit did not say that it is out: what was under way then may land */
    bool cut_off;     /* its context entry refused it while it was in */
};

static struct list all_watched = {&all_watched, &all_watched};

static struct oracle_event event_of(const struct request *request)
{
    struct oracle_event event = {
        .who = request->device->name,
        .iova = align_down(request->iova, PAGE_SIZE),
        .hpa = align_down(request->hpa, PAGE_SIZE),
        .write = request->write,
        .began = request->started,
    };

    if (request->type != REQUEST_TRANSLATED)
        return event;
    /* It says only where it goes. */
    event.iova = align_down(device_request_iova(request), PAGE_SIZE);
    return event;
}

static void on_landing(void *context, const struct request *request)
{
    struct watched *watched = context;
    struct oracle_event event = event_of(request);

    if (request->type == REQUEST_TRANSLATION)
        return;
    if (watched->standing == STANDING_OUT && !(watched->unconfirmed && event.began <= watched->since))
        violation(watched->since ? VIOLATION_STALE : VIOLATION_FORBIDDEN,
                  "%s %s iova %#" PRIx64 " at hpa %#" PRIx64 " (began at step %" PRIu64
                  "): it is in no domain since step %" PRIu64,
                  event.who, event.write ? "wrote" : "read", event.iova, event.hpa, event.began,
                  watched->since);
    oracle_check_landing(watched->oracle, &event);
}

/* The driver may do that to a device that is in, and then takes its bus mastering too: oracle_detach_begins()
 * looks for that. */
static bool may_be_cut_off(struct watched *watched, const struct request *request)
{
    if (!watched->oracle->domain || (request->reason != SPEC_LCT_2 && request->reason != SPEC_SCT_2))
        return false;
    watched->cut_off = true;
    return true;
}

static void on_refusal(void *context, const struct request *request)
{
    struct watched *watched = context;
    struct oracle_event event = event_of(request);

    if (watched->standing == STANDING_IN && watched->since < event.began && !may_be_cut_off(watched, request))
        oracle_check_refusal(watched->oracle, &event, request->reason);
    else
        history("%s: refused at iova %lx (write %lu, reason %#lx)", history_text(event.who), event.iova,
                event.write, request->reason);
}

static struct watched *watch(struct oracle *oracle, struct device *device)
{
    struct watched *watched;

    list_for_each (node, &all_watched) {
        watched = list_entry(node, struct watched, link);
        if (watched->device == device)
            return watched;
    }
    watched = calloc(1, sizeof *watched);
    expect(watched);
    watched->device = device;
    watched->oracle = oracle;
    list_append(&all_watched, &watched->link);
    device->watch = (struct device_watch){.lands = on_landing, .refused = on_refusal, .context = watched};
    return watched;
}

void oracle_watch(struct oracle *oracle, struct device *device)
{
    (void)watch(oracle, device);
}

void oracle_attach_begins(struct oracle *oracle, struct device *device)
{
    struct watched *watched = watch(oracle, device);

    history("attach of %s begins", history_text(device->name));
    expect(watched->standing == STANDING_OUT);
    watched->oracle = oracle;
    watched->standing = STANDING_COMING;
}

void oracle_attach_ends(struct oracle *oracle, struct device *device, int error)
{
    struct watched *watched = watch(oracle, device);

    history("attach of %s ends: error %ld", history_text(device->name), (uint64_t)error);
    expect(watched->oracle == oracle);
    watched->standing = error ? STANDING_OUT : STANDING_IN;
    watched->cut_off = false;
    watched->unconfirmed = oracle_is_unconfirmed(error);
    watched->since = schedule_step();
}

void oracle_detach_begins(struct oracle *oracle, struct device *device)
{
    struct watched *watched = watch(oracle, device);

    history("detach of %s begins", history_text(device->name));
    expect(watched->oracle == oracle && watched->standing == STANDING_IN);
    if (watched->cut_off && device->bus_master)
        violation(VIOLATION_SPURIOUS_FAULT,
                  "%s was refused by its context entry since step %" PRIu64 ", and was not cut off",
                  device->name, watched->since);
    watched->standing = STANDING_GOING;
}

void oracle_detach_ends(struct oracle *oracle, struct device *device, int error)
{
    struct watched *watched = watch(oracle, device);

    history("detach of %s ends: error %ld", history_text(device->name), (uint64_t)error);
    expect(watched->oracle == oracle);
    watched->standing = error && !oracle_is_unconfirmed(error) ? STANDING_IN : STANDING_OUT;
    watched->unconfirmed = oracle_is_unconfirmed(error);
    watched->since = schedule_step();
}

int oracle_attach(struct oracle *oracle, struct device *device)
{
    const struct pci_address address = pci_address_from_source_id(0, device->source_id);
    int error;

    oracle_attach_begins(oracle, device);
    error = iommu_attach(oracle->domain, address, IOMMU_NO_PASID);
    /* Its owner looks whether another CPU has cut it off, and nothing happens in between. */
    if (!error && !iommu_device_is_cut_off(address))
        device->bus_master = true;
    oracle_attach_ends(oracle, device, error);
    return error;
}

int oracle_detach(struct oracle *oracle, struct device *device)
{
    int error;

    oracle_detach_begins(oracle, device);
    error = iommu_detach(oracle->domain, pci_address_from_source_id(0, device->source_id), IOMMU_NO_PASID);
    oracle_detach_ends(oracle, device, error);
    return error;
}

void oracle_access(struct oracle *oracle, uint64_t iova, uint64_t hpa, bool write, bool refused,
                   uint64_t began_step)
{
    struct oracle_event event = {
        .who = agent_name(agent_current()),
        .iova = align_down(iova, PAGE_SIZE),
        .hpa = align_down(hpa, PAGE_SIZE),
        .write = write,
        .began = began_step,
    };

    if (refused)
        oracle_check_refusal(oracle, &event, 0);
    else
        oracle_check_landing(oracle, &event);
}
