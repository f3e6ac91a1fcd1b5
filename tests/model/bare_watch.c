/* SPDX-License-Identifier: BSD-2-Clause */
/* What software was told is gone must be gone: an access that lands there all the same is called out. */
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/device.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"

#define FORBIDDEN_MAX 16

static struct forbidden {
    uint64_t page;
    uint64_t since;
} forbidden[FORBIDDEN_MAX];
static unsigned forbidden_count;

static struct forbidden *find(uint64_t iova)
{
    for (unsigned i = 0; i < forbidden_count; i++)
        if (forbidden[i].page == iova >> PAGE_LG2)
            return &forbidden[i];
    return NULL;
}

void bare_forbid(uint64_t iova)
{
    expect(forbidden_count < FORBIDDEN_MAX);
    if (!find(iova))
        forbidden[forbidden_count++] = (struct forbidden){iova >> PAGE_LG2, schedule_step()};
}

static void on_landing(void *context, const struct request *request)
{
    const struct device *device = context;
    uint64_t iova = device_request_iova(request);
    const struct forbidden *entry = find(iova);

    if (entry)
        violation(VIOLATION_STALE,
                  "%s %s iova %#lx, at hpa %#lx, by a request that began at step %lu; software was told that "
                  "the page is out of reach before step %lu",
                  device->name, request->write ? "writes" : "reads", (unsigned long)iova,
                  (unsigned long)request->hpa, (unsigned long)request->started, (unsigned long)entry->since);
}

void bare_watch(struct device *device)
{
    device->watch = (struct device_watch){.lands = on_landing, .context = device};
}
