/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults (7.2): recorded in the fault registers, in order, while there is room; and the two events that a
 * unit tells of by a message of its own (5.1.6, 7.3). */
#include "lib/platform.h"
#include "tests/model/device.h"
#include "tests/model/history.h"
#include "tests/model/machine.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_registers.h"
#include "tests/model/unit.h"
#include "tests/model/violation.h"

/* FSTS bits whose rise is an event if none of them, nor PFO, is up already (11.4.7.2, IP). */
#define CONDITIONS (SPEC_FSTS_PFO | SPEC_FSTS_PPF | SPEC_FSTS_QUEUE)

static unsigned fault_count(const struct unit *unit)
{
    return SPEC_CAP_NFR(unit->config.cap) + 1;
}

static bool any_recorded(const struct unit *unit)
{
    for (unsigned i = 0; i < fault_count(unit); i++)
        if (unit->frcd[i][1] & SPEC_FRCD_F)
            return true;
    return false;
}

/* PPF is nothing of its own: the OR of all F. */
static void update_pending(struct unit *unit)
{
    if (any_recorded(unit))
        unit->fsts |= SPEC_FSTS_PPF;
    else
        unit->fsts &= ~SPEC_FSTS_PPF;
}

void unit_fault_registers_written(struct unit *unit)
{
    bool condition;

    update_pending(unit);
    condition = unit->fsts & CONDITIONS;
    if (condition && !unit->fault_condition) {
        unit->fectl |= SPEC_EVENT_IP;
        unit->fault_message = true;
        history("fault event: FSTS %#lx, FECTL %#lx", unit->fsts, unit->fectl);
    }
    /* IP also goes when software serves all that there is before the message went out. */
    if (!condition) {
        unit->fectl &= ~SPEC_EVENT_IP;
        unit->fault_message = false;
    }
    unit->fault_condition = condition;
}

void unit_completion_event(struct unit *unit)
{
    /* 11.4.9.5: while IWC is up another completion is no new event. */
    if (unit->ics & SPEC_ICS_IWC)
        return;
    unit->ics |= SPEC_ICS_IWC;
    unit->iectl |= SPEC_EVENT_IP;
    unit->completion_message = true;
    history("invalidation completion event: IECTL %#lx", unit->iectl);
}

bool unit_message_ready(const struct unit *unit)
{
    return (unit->fault_message && !(unit->fectl & SPEC_EVENT_IM)) ||
           (unit->completion_message && !(unit->iectl & SPEC_EVENT_IM));
}

static uint64_t message_address(uint32_t upper, uint32_t lower)
{
    return (uint64_t)upper << 32 | lower;
}

void unit_messages_send(struct unit *unit)
{
    if (unit->fault_message && !(unit->fectl & SPEC_EVENT_IM)) {
        unit->fault_message = false;
        unit->fectl &= ~SPEC_EVENT_IP;
        machine_interrupt(message_address(unit->feuaddr, unit->feaddr), unit->fedata);
    }
    if (unit->completion_message && !(unit->iectl & SPEC_EVENT_IM)) {
        unit->completion_message = false;
        unit->iectl &= ~SPEC_EVENT_IP;
        machine_interrupt(message_address(unit->ieuaddr, unit->ieaddr), unit->iedata);
    }
}

/* 7.2.1: a unit may leave out a fault of a requester that has one recorded already. */
static bool collapses(const struct unit *unit, uint16_t source_id)
{
    for (unsigned i = 0; i < fault_count(unit); i++)
        if (unit->frcd[i][1] & SPEC_FRCD_F && SPEC_FRCD_SOURCE(unit->frcd[i][1]) == source_id)
            return schedule_chance(8);
    return false;
}

/* Where software sees F of the register that comes next: its accesses there are steps that this one may come
 * between. */
static const void *next_register(const struct unit *unit)
{
    return phys_to_virt(UNIT_BASE + unit->index * UNIT_STRIDE + 16 * SPEC_CAP_FRO(unit->config.cap) +
                        16 * unit->fault_next + 8);
}

static void record(struct unit *unit, uint64_t low, uint64_t high)
{
    uint64_t *next;

    schedule_point(POINT_HARDWARE, next_register(unit));
    next = unit->frcd[unit->fault_next];
    if (unit->fsts & SPEC_FSTS_PFO || collapses(unit, SPEC_FRCD_SOURCE(high))) {
        history("the fault is not recorded, FSTS %#lx", unit->fsts);
        return;
    }
    if (next[1] & SPEC_FRCD_F) {
        history("fault overflow: FRCD %lu is full", unit->fault_next);
        unit->fsts |= SPEC_FSTS_PFO;
        return;
    }
    /* FRI tells where the first of those that are pending is. */
    if (!(unit->fsts & SPEC_FSTS_PPF))
        unit->fsts = (unit->fsts & ~SPEC_FSTS_WITH_FRI(0xff)) | SPEC_FSTS_WITH_FRI(unit->fault_next);
    next[0] = low;
    next[1] = high | SPEC_FRCD_F;
    unit->fault_next = (unit->fault_next + 1) % fault_count(unit);
    unit_fault_registers_written(unit);
}

void unit_fault(struct unit *unit, const struct request *request, uint8_t reason)
{
    uint64_t high = SPEC_FRCD_WITH_REASON(reason) | request->source_id;

    /* T1, T2: 00 write, 10 read. A translation request has what it asks for. */
    if (!request->write)
        high |= SPEC_FRCD_T1;
    if (request->has_pasid)
        high |= SPEC_FRCD_PP | SPEC_FRCD_WITH_PASID(request->pasid);
    if (unit->config.ecap & SPEC_ECAP_DT)
        high |= SPEC_FRCD_WITH_AT(request->type);
    history("fault %#lx of %#lx at %#lx, write %lu", reason, request->source_id, request->iova,
            request->write);
    record(unit, request->iova & SPEC_PAGE_ADDRESS, high);
}

void unit_fault_interrupt_request(struct unit *unit, uint16_t source_id, uint16_t index, uint8_t reason)
{
    history("fault %#lx of %#lx, interrupt index %lu", reason, source_id, index);
    record(unit, SPEC_FRCD_LOW_INDEX(index), SPEC_FRCD_WITH_REASON(reason) | source_id);
}
