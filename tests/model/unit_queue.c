/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue's agent: fetches descriptors in order, and carries out what it has fetched in any order that is
 * allowed, both at its own pace. */
#include "tests/model/unit_queue.h"
#include "tests/model/choices.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_registers.h"

/* What the unit could do next. */
struct action {
    void (*act)(struct unit *unit, unsigned n);
    unsigned n; /* of the pending descriptors */
};

#define ACTIONS_MAX (2 * UNIT_PENDING_MAX + 1)
#define DAWDLE_MAX  64

/* 6.5.2: what must hold for a fetch. */
static bool may_fetch(const struct unit *unit)
{
    return unit->gsts & SPEC_GSTS_QIES && !unit->silent_queue &&
           !(unit->fsts & (SPEC_FSTS_IQE | SPEC_FSTS_ITE)) && unit->iqh != unit->iqt &&
           unit->pending_count < UNIT_PENDING_MAX;
}

static void fetch(struct unit *unit, unsigned n)
{
    struct unit_pending descriptor;
    unsigned type;

    unit_queue_read_head(unit, &descriptor);
    type = SPEC_DESCRIPTOR_TYPE(descriptor.word[0]);
    if ((unit->inject_iqe_in && --unit->inject_iqe_in == 0) ||
        (unit->refuses && unit->refuses(&descriptor))) {
        unit_queue_refuse(unit);
        return;
    }
    unit_queue_check(unit, &descriptor);
    history("vtd%lu: fetched from offset %#lx: %s, %#lx %#lx", unit->index, unit->iqh,
            history_text(unit_queue_type_name(type)), descriptor.word[0], descriptor.word[1]);
    unit->pending[n] = descriptor;
    unit->ends_in_wait = type == SPEC_DESCRIPTOR_WAIT;
    unit->pending_count++;
    if (type == SPEC_DESCRIPTOR_WAIT)
        unit->fetch_epoch++;
    /* The head moves on when the descriptor is known to be good, and long before it is carried out. */
    unit->iqh = (unit->iqh + unit_queue_slot_bytes(unit)) % SPEC_IQA_BYTES(unit->iqa);
}

static void complete_wait(struct unit *unit, const struct unit_pending *wait)
{
    if (wait->word[0] & SPEC_WAIT_SW) {
        memory_check_table(wait->word[1], wait->status_generation, "wait descriptor's status");
        memory_write32(wait->word[1], SPEC_WAIT_STATUS(wait->word[0]), "wait descriptor's status");
    }
    /* The interrupt pushes the status write ahead of it (6.5.2.9). */
    if (wait->word[0] & SPEC_WAIT_IF)
        unit_completion_event(unit);
}

static void carry_out(struct unit *unit, unsigned n)
{
    struct unit_pending *descriptor = &unit->pending[n];

    if (SPEC_DESCRIPTOR_TYPE(descriptor->word[0]) == SPEC_DESCRIPTOR_WAIT)
        complete_wait(unit, descriptor);
    else
        unit_invalidate(unit, descriptor);
    descriptor->done = !descriptor->awaits_device;
    history("vtd%lu: %s from offset %#lx (%s)", unit->index,
            history_text(descriptor->done ? "completed what was fetched" : "sent the device what came"),
            descriptor->slot, history_text(unit_queue_type_name(SPEC_DESCRIPTOR_TYPE(descriptor->word[0]))));
}

static void forget_done(struct unit *unit)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < unit->pending_count; i++)
        if (!unit->pending[i].done)
            unit->pending[kept++] = unit->pending[i];
    unit->pending_count = kept;
}

/* The first is the tame one: what is oldest first, and fetch only when nothing is left. */
static unsigned list_actions(const struct unit *unit, struct action actions[ACTIONS_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < unit->pending_count; i++)
        if (unit_queue_may_carry_out(unit, i))
            actions[count++] = (struct action){carry_out, i};
    if (may_fetch(unit))
        actions[count++] = (struct action){fetch, unit->pending_count};
    for (unsigned i = 0; i < unit->pending_count; i++)
        if (unit_queue_is_hopeless(unit, i))
            actions[count++] = (struct action){unit_queue_give_up, i};
    return count;
}

static bool has_work(void *context)
{
    const struct unit *unit = context;
    struct action actions[ACTIONS_MAX];

    for (unsigned i = 0; i < unit->pending_count; i++)
        if (unit->pending[i].done)
            return true;
    return list_actions(unit, actions) > 0;
}

/* Now and then the unit leaves what it has for long, so that software that believes it to be done gets far.
 * In a search of all schedules that is in their order already. */
static void dawdle(void)
{
    unsigned steps = choices_mode() == CHOICES_RANDOM && schedule_chance(8) ? schedule_choose(DAWDLE_MAX) : 0;

    while (steps--)
        schedule_point(POINT_HARDWARE, NULL);
}

void unit_queue_agent(void *context)
{
    struct unit *unit = context;
    struct action actions[ACTIONS_MAX];

    for (;;) {
        unsigned count;

        schedule_wait(has_work, unit, "waits for descriptors");
        schedule_point(POINT_HARDWARE, NULL);
        dawdle();
        forget_done(unit);
        count = list_actions(unit, actions);
        if (count) {
            struct action action = actions[count > 1 ? schedule_choose(count) : 0];

            action.act(unit, action.n);
        }
    }
}
