/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue's errors (6.5.2.10): IQE stops it at a descriptor, ITE drops what was fetched and not complete,
 * ICE says that a device answered what nobody asked. */
#include "tests/model/device.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_registers.h"
#include "tests/model/unit_queue.h"

static bool is_device_type(const struct unit_pending *descriptor)
{
    unsigned type = SPEC_DESCRIPTOR_TYPE(descriptor->word[0]);

    return type == SPEC_DESCRIPTOR_DEVICE || type == SPEC_DESCRIPTOR_PASID_DEVICE;
}

static uint16_t device_of(const struct unit_pending *descriptor)
{
    return SPEC_DESCRIPTOR_TYPE(descriptor->word[0]) == SPEC_DESCRIPTOR_DEVICE
               ? SPEC_DEVICE_SID(descriptor->word[0])
               : SPEC_PASID_DEVICE_SID(descriptor->word[0]);
}

static void raise_error(struct unit *unit, uint32_t bit)
{
    unit->fsts |= bit;
    unit_fault_registers_written(unit);
}

void unit_queue_refuse(struct unit *unit)
{
    static const uint64_t reasons[] = {SPEC_IQEI_TYPE, SPEC_IQEI_RESERVED, SPEC_IQEI_UNKNOWN};

    unit->iqercd = (unit->iqercd & ~SPEC_IQERCD_IQEI) | reasons[schedule_choose(3)];
    history("vtd%lu: IQE, injected: the descriptor at offset %#lx is refused", unit->index, unit->iqh);
    raise_error(unit, SPEC_FSTS_IQE);
}

bool unit_queue_is_hopeless(const struct unit *unit, unsigned n)
{
    const struct unit_pending *descriptor = &unit->pending[n];
    const struct device *device;

    if (!descriptor->awaits_device)
        return false;
    device = device_find(device_of(descriptor));
    return !device || !device->ats_on || device->silent || device->late || device->gone;
}

static void drop(struct unit *unit, unsigned n)
{
    struct unit_pending *descriptor = &unit->pending[n];

    history("vtd%lu: ITE drops the descriptor from offset %#lx (%s)", unit->index, descriptor->slot,
            history_text(unit_queue_type_name(SPEC_DESCRIPTOR_TYPE(descriptor->word[0]))));
    descriptor->awaits_device = false;
    descriptor->done = true;
}

/* Waits are dropped, wherever they are. Of the others it is not guaranteed that those are carried out that
 * are behind the oldest device-TLB descriptor; what was sent to other devices can still be answered. */
static void drop_behind(struct unit *unit, unsigned oldest)
{
    for (unsigned i = 0; i < unit->pending_count; i++) {
        const struct unit_pending *descriptor = &unit->pending[i];
        bool is_wait = SPEC_DESCRIPTOR_TYPE(descriptor->word[0]) == SPEC_DESCRIPTOR_WAIT;

        if (descriptor->done)
            continue;
        if (is_wait || (i > oldest && !descriptor->awaits_device && schedule_chance(2)))
            drop(unit, i);
    }
}

void unit_queue_give_up(struct unit *unit, unsigned n)
{
    uint16_t source_id = device_of(&unit->pending[n]);
    unsigned oldest = 0;

    while (!is_device_type(&unit->pending[oldest]) || unit->pending[oldest].done)
        oldest++;
    history("vtd%lu: device %#lx does not answer in time (tag %lu)", unit->index, source_id,
            unit->pending[n].tag);
    drop(unit, n);
    drop_behind(unit, oldest);
    /* 11.4.9.9: whose timeout it was when ITE came up; others add nothing. */
    if (!(unit->fsts & SPEC_FSTS_ITE))
        unit->iqercd = (unit->iqercd & ~SPEC_IQERCD_WITH_ITESID(0xffff)) |
                       SPEC_IQERCD_WITH_ITESID(unit->config.names_nobody ? 0 : source_id);
    raise_error(unit, SPEC_FSTS_ITE);
}

static struct unit_pending *find_awaiting(struct unit *unit, unsigned tag, uint16_t source_id)
{
    for (unsigned i = 0; i < unit->pending_count; i++) {
        struct unit_pending *descriptor = &unit->pending[i];

        if (descriptor->awaits_device && descriptor->tag == tag && device_of(descriptor) == source_id)
            return descriptor;
    }
    return NULL;
}

void unit_queue_answer(struct unit *unit, unsigned tag, uint16_t source_id)
{
    struct unit_pending *descriptor = find_awaiting(unit, tag, source_id);

    if (descriptor) {
        history("vtd%lu: device %#lx answers tag %lu", unit->index, source_id, tag);
        descriptor->awaits_device = false;
        descriptor->done = true;
        return;
    }
    history("vtd%lu: ICE: device %#lx answers tag %lu, for which nobody waits", unit->index, source_id, tag);
    if (!(unit->fsts & SPEC_FSTS_ICE))
        unit->iqercd = (unit->iqercd & ~SPEC_IQERCD_WITH_ICESID(0xffff)) | SPEC_IQERCD_WITH_ICESID(source_id);
    raise_error(unit, SPEC_FSTS_ICE);
}

bool unit_queue_awaits(const struct unit *unit, unsigned tag)
{
    for (unsigned i = 0; i < unit->pending_count; i++)
        if (unit->pending[i].awaits_device && unit->pending[i].tag == tag)
            return true;
    return false;
}

void unit_queue_errors_cleared(struct unit *unit, uint32_t cleared)
{
    history("vtd%lu: software clears %#lx in FSTS", unit->index, cleared);
    /* The unit fetches again from the head on, and software may have changed what is there: it had the ring
     * to itself while the unit stood still. */
    if (cleared & (SPEC_FSTS_IQE | SPEC_FSTS_ITE) && !(unit->fsts & (SPEC_FSTS_IQE | SPEC_FSTS_ITE)) &&
        unit->gsts & SPEC_GSTS_QIES)
        unit_queue_remember(unit, unit->iqh, unit->iqt);
}
