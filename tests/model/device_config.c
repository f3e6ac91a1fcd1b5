/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's configuration space, and its end. */
#include "tests/model/device_traffic.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"

/* Offsets, and bits of four bytes there (PCI Express base specification, 7.5.1, 7.5.3 and 10.5.1). */
enum {
    COMMAND = 0x04,
    COMMAND_MASTER = 1 << 2,
    COMMAND_HAS_LIST = 1 << 20, /* of the status register, above it */
    LIST = 0x34,
    EXPRESS = 0x40,
    EXPRESS_HEADER = 0x00920010, /* version 2, an endpoint of the root complex, and the list's end */
    EXPRESS_STATUS = EXPRESS + 8,
    EXPRESS_PENDING = 1 << 21,
    ATS = 0x100,
    ATS_HEADER = 0x0001000f,
    ATS_CAP = ATS + 4,
    ATS_DEPTH = 8,
    ATS_CONTROL = ATS + 6,
    ATS_ENABLE = 1 << 15,
};

bool device_awaits_answers(const struct device *device)
{
    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++)
        if (device->traffic->sent[i].in_use && !device->traffic->sent[i].posted)
            return true;
    return false;
}

void device_push_writes(struct device *device)
{
    for (unsigned i = 0; i < DEVICE_SENT_MAX; i++) {
        struct sent *sent = &device->traffic->sent[i];

        if (!sent->in_use || !sent->posted || sent->request.state != REQUEST_POSTED)
            continue;
        unit_request_land(device->unit, &sent->request);
        schedule_point(POINT_HARDWARE, NULL);
    }
}

void device_ats_switch(struct device *device, bool on)
{
    if (on == device->ats_on)
        return;
    history("%s: ATS is switched %s", history_text(device->name), history_text(on ? "on" : "off"));
    device->ats_on = on;
    device_tlb_forget(device);
}

/* An answer comes after the writes that the device sent ahead of it. */
uint32_t device_config_read(struct device *device, unsigned offset)
{
    if (device->gone)
        return ~0u;
    device_push_writes(device);
    switch (offset) {
    case COMMAND:
        return COMMAND_HAS_LIST | (device->bus_master ? COMMAND_MASTER : 0u);
    case LIST:
        return EXPRESS;
    case EXPRESS:
        return EXPRESS_HEADER;
    case EXPRESS_STATUS:
        return device_awaits_answers(device) ? EXPRESS_PENDING : 0;
    case ATS:
        return device->has_ats ? ATS_HEADER : 0;
    case ATS_CAP:
        return ATS_DEPTH | (device->ats_on ? (uint32_t)ATS_ENABLE << 16 : 0);
    default:
        return 0;
    }
}

static void write_ats(struct device *device, uint32_t value)
{
    bool on = value & ATS_ENABLE;

    if (on != device->ats_on && device->bus_master)
        violation(VIOLATION_REGISTER, "ATS of %s is switched %s while it may issue requests", device->name,
                  on ? "on" : "off");
    device_ats_switch(device, on);
}

void device_config_write(struct device *device, unsigned offset, unsigned bytes, uint32_t value)
{
    if (device->gone)
        return;
    if (offset == COMMAND)
        device->bus_master = value & COMMAND_MASTER;
    else if (offset == ATS_CONTROL && bytes == 2 && device->has_ats)
        write_ats(device, value);
    else
        violation(VIOLATION_REGISTER, "%u bytes of configuration space of %s are written at %#x", bytes,
                  device->name, offset);
}

static bool is_quiet(void *context)
{
    return !device_awaits_answers(context);
}

void device_go_away(struct device *device)
{
    device->going = true;
    schedule_wait(is_quiet, device, "the last answers to a device that goes");
    device_push_writes(device);
    device->gone = true;
    history("%s: is gone", history_text(device->name));
}
