/* SPDX-License-Identifier: BSD-2-Clause */
/* GCMD and GSTS (11.4.4): one command at a time, carried out some time after it was written, and shown some
 * time after that. */
#include "tests/model/unit_command.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_registers.h"
#include "tests/model/violation.h"
#include "tests/model/write_buffer.h"

/* Steps that the unit takes its time, at most. */
#define DELAY_MAX 3

void unit_command_written(struct unit *unit, uint32_t value)
{
    uint32_t changed = value ^ (unit->gsts_shown & SPEC_GCMD_STICKY);

    history("GCMD = %#lx, GSTS shows %#lx", value, unit->gsts_shown);
    if (value & ~SPEC_GCMD_DEFINED)
        violation(VIOLATION_REGISTER, "unit %u: GCMD = %#x has reserved bits", unit->index, value);
    if (unit->command_pending)
        violation(VIOLATION_COMMAND, "unit %u: GCMD = %#x, and GSTS (%#x) does not show the last command, %s",
                  unit->index, value, unit->gsts_shown, command_name(unit->command));
    if (changed & (changed - 1))
        violation(VIOLATION_COMMAND, "unit %u: GCMD = %#x with GSTS %#x changes several bits: %#x",
                  unit->index, value, unit->gsts_shown, changed);
    unit->gcmd = value;
    /* Without CAP.RWBF a WBF is ignored. */
    if (!changed || (changed == SPEC_GCMD_WBF && !(unit->config.cap & SPEC_CAP_RWBF)))
        return;
    command_check(unit, changed, value & changed);
    unit->command = changed;
    unit->command_pending = true;
    /* 11.4.4.2: WBFS is up while the flush goes on; RTPS and IRTPS are down until the pointer is set. */
    if (changed == SPEC_GCMD_WBF)
        unit->gsts_shown |= SPEC_GSTS_WBFS;
    else if (changed & SPEC_GCMD_ONE_SHOT)
        unit->gsts_shown &= ~changed;
}

static void dawdle(void)
{
    for (unsigned steps = schedule_choose(DELAY_MAX + 1); steps; steps--)
        schedule_point(POINT_HARDWARE, NULL);
}

struct earlier {
    struct unit *unit;
    uint64_t step;
};

static struct request *find_earlier(const struct earlier *earlier, enum request_state state)
{
    list_for_each (node, &earlier->unit->requests) {
        struct request *request = list_entry(node, struct request, link);

        if (request->started <= earlier->step && request->state == state)
            return request;
    }
    return NULL;
}

static bool earlier_walked(void *context)
{
    return !find_earlier(context, REQUEST_WALKING);
}

/* 11.4.4.1, TE: a request goes by what was in force when it began, and the command shows only when all of
 * them are through, where the unit drains (CAP.DWD, CAP.DRD). Units that know scalable mode drop what they
 * cache as it goes off. */
static void switch_translation(struct unit *unit, bool on)
{
    struct earlier earlier = {unit, schedule_step()};
    struct request *request;

    if (!on) {
        unit->root_set = false;
        if (unit->config.ecap & SPEC_ECAP_SMTS)
            unit_invalidate_everything(unit);
    }
    if (!(unit->config.cap & (SPEC_CAP_DWD | SPEC_CAP_DRD)))
        return;
    schedule_wait(earlier_walked, &earlier, "requests that began before TE changed");
    while ((request = find_earlier(&earlier, REQUEST_POSTED)) != NULL)
        unit_request_land(unit, request);
}

static bool any(const void *context, const void *entry)
{
    (void)context;
    (void)entry;
    return true;
}

static void set_root(struct unit *unit)
{
    unit->root = unit->rtaddr;
    unit->root_set = true;
    history("the root table is %#lx now, TTM %lu", unit->root & SPEC_PAGE_ADDRESS,
            SPEC_RTADDR_TTM(unit->root));
    if (unit->config.cap & SPEC_CAP_ESRTPS) {
        unit_invalidate_everything(unit);
        return;
    }
    unit->owed |= UNIT_OWES_CONTEXTS | UNIT_OWES_IOTLB;
    if (SPEC_RTADDR_TTM(unit->root) == SPEC_TTM_SCALABLE)
        unit->owed |= UNIT_OWES_PASIDS;
}

static void set_interrupt_table(struct unit *unit)
{
    unit->interrupt_table = unit->irta;
    unit->interrupt_table_set = true;
    if (unit->config.cap & SPEC_CAP_ESIRTPS)
        cache_drop(&unit->caches.interrupts, any, NULL);
    else
        unit->owed |= UNIT_OWES_INTERRUPTS;
}

static void put_in_force(struct unit *unit, uint32_t bit, bool on)
{
    if (!(bit & SPEC_GCMD_ONE_SHOT))
        unit->gsts = on ? unit->gsts | bit : unit->gsts & ~bit;
    if (!(unit->gsts & (SPEC_GSTS_TES | SPEC_GSTS_IRES)))
        unit->fault_next = 0; /* 7.2.1 */
    switch (bit) {
    case SPEC_GCMD_SRTP:
        set_root(unit);
        break;
    case SPEC_GCMD_TE:
        switch_translation(unit, on);
        break;
    case SPEC_GCMD_QIE:
        unit->iqh = 0; /* 11.4.9.1: whenever the queue is off */
        unit_queue_switched(unit, on);
        break;
    case SPEC_GCMD_SIRTP:
        set_interrupt_table(unit);
        break;
    case SPEC_GCMD_IRE:
        unit->interrupt_table_set = unit->interrupt_table_set && on;
        break;
    case SPEC_GCMD_WBF:
        write_buffer_drain();
        break;
    default:
        break;
    }
}

static void carry_out(struct unit *unit)
{
    uint32_t bit = unit->command;
    bool on = unit->gcmd & bit;

    put_in_force(unit, bit, on);
    history("GCMD.%s %s is in force", history_text(command_name(bit)), history_text(on ? "on" : "off"));
    dawdle();
    if (on && bit != SPEC_GCMD_WBF)
        unit->gsts_shown |= bit;
    else
        unit->gsts_shown &= ~bit;
    unit->command_pending = false;
}

/* PRS follows EPM (11.4.8.1). */
static bool protection_differs(const struct unit *unit)
{
    return !(unit->pmen & SPEC_PMEN_EPM) != !(unit->pmen & SPEC_PMEN_PRS);
}

static bool has_work(void *context)
{
    const struct unit *unit = context;

    return unit_message_ready(unit) ||
           (!unit->silent_commands && (unit->command_pending || protection_differs(unit)));
}

void unit_command_agent(void *context)
{
    struct unit *unit = context;

    for (;;) {
        schedule_wait(has_work, unit, "a command, or a message to send");
        dawdle();
        unit_messages_send(unit);
        if (unit->silent_commands)
            continue;
        if (protection_differs(unit))
            unit->pmen ^= SPEC_PMEN_PRS;
        if (unit->command_pending)
            carry_out(unit);
    }
}
