/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring in memory. A unit may read a descriptor as soon as the tail has passed it, and more than once
 * (6.5.2), so it has to be whole by then and stay as it is until the head has passed it too. */
#include "lib/platform.h"
#include "tests/model/history.h"
#include "tests/model/spec_registers.h"
#include "tests/model/unit_queue.h"
#include "tests/model/violation.h"
#include <stdlib.h>
#include <string.h>

/* A slot as it was when the tail passed it. */
struct submitted {
    uint64_t word[4];
    uint64_t status_generation; /* of the page that a wait writes to */
};

static struct submitted *rings[UNITS_MAX];

unsigned unit_queue_slot_bytes(const struct unit *unit)
{
    return unit->iqa & SPEC_IQA_DW ? 32 : 16;
}

static uint64_t slot_hpa(const struct unit *unit, uint64_t offset)
{
    return (unit->iqa & SPEC_PAGE_ADDRESS) + offset;
}

static struct submitted *submitted(const struct unit *unit, uint64_t offset)
{
    return &rings[unit->index][offset / unit_queue_slot_bytes(unit)];
}

static void remember_slot(const struct unit *unit, uint64_t offset)
{
    struct submitted *slot = submitted(unit, offset);
    uint64_t hpa = slot_hpa(unit, offset);

    memory_check_table(hpa, 0, "invalidation queue");
    memset(slot, 0, sizeof *slot);
    memcpy(slot->word, phys_to_virt(hpa), unit_queue_slot_bytes(unit));
    if (SPEC_DESCRIPTOR_TYPE(slot->word[0]) == SPEC_DESCRIPTOR_WAIT)
        slot->status_generation = memory_generation(slot->word[1]);
}

void unit_queue_remember(const struct unit *unit, uint64_t from, uint64_t to)
{
    uint64_t bytes = SPEC_IQA_BYTES(unit->iqa);

    for (uint64_t offset = from; offset != to; offset = (offset + unit_queue_slot_bytes(unit)) % bytes)
        remember_slot(unit, offset);
}

void unit_queue_read_head(struct unit *unit, struct unit_pending *descriptor)
{
    uint64_t hpa = slot_hpa(unit, unit->iqh);
    const struct submitted *slot = submitted(unit, unit->iqh);

    *descriptor = (struct unit_pending){.slot = (unsigned)unit->iqh,
                                        .epoch = unit->fetch_epoch,
                                        .status_generation = slot->status_generation};
    /* Hardware reads its queue through the caches, whatever ECAP.C says of tables. */
    for (unsigned i = 0; i < unit_queue_slot_bytes(unit) / 8; i++) {
        descriptor->word[i] = memory_read(MEMORY_SNOOPED, hpa + 8 * i, "invalidation descriptor");
        if (descriptor->word[i] != slot->word[i])
            violation(VIOLATION_QUEUE,
                      "vtd%u: word %u of the descriptor at offset %#x is %#lx, and was %#lx when the tail "
                      "passed it; the head is there only now",
                      unit->index, i, descriptor->slot, (unsigned long)descriptor->word[i],
                      (unsigned long)slot->word[i]);
    }
}

/* 11.4.9.2: an offset into the queue, a multiple of the descriptor width. */
static void check_tail(const struct unit *unit)
{
    if (unit->iqt % unit_queue_slot_bytes(unit) || unit->iqt >= SPEC_IQA_BYTES(unit->iqa))
        violation(VIOLATION_QUEUE, "vtd%u: tail %#lx, in a queue of %#lx bytes and %u-byte descriptors",
                  unit->index, (unsigned long)unit->iqt, (unsigned long)SPEC_IQA_BYTES(unit->iqa),
                  unit_queue_slot_bytes(unit));
}

void unit_queue_tail_moved(struct unit *unit, uint64_t before)
{
    uint64_t bytes = SPEC_IQA_BYTES(unit->iqa);
    uint64_t room, advance;

    if (!(unit->gsts & SPEC_GSTS_QIES))
        return;
    check_tail(unit);
    /* One slot stays empty: with head equal to tail the queue is empty (6.5.2). */
    room = (unit->iqh + 2 * bytes - before - unit_queue_slot_bytes(unit)) % bytes;
    advance = (unit->iqt + bytes - before) % bytes;
    if (advance > room)
        violation(VIOLATION_QUEUE,
                  "vtd%u: the tail goes from %#lx to %#lx and over the head, which is at %#lx", unit->index,
                  (unsigned long)before, (unsigned long)unit->iqt, (unsigned long)unit->iqh);
    history("vtd%lu: tail goes from %#lx to %#lx (head %#lx)", unit->index, before, unit->iqt, unit->iqh);
    unit_queue_remember(unit, before, unit->iqt);
}

static void switch_on(const struct unit *unit)
{
    /* 11.4.9.9, IQEI 5 */
    if (unit->iqa & SPEC_IQA_DW && !(unit->config.ecap & (SPEC_ECAP_SMTS | SPEC_ECAP_ADMS)))
        violation(VIOLATION_QUEUE, "vtd%u: a queue of 256-bit descriptors without scalable mode (ECAP.SMTS)",
                  unit->index);
    free(rings[unit->index]);
    rings[unit->index] = calloc(SPEC_IQA_BYTES(unit->iqa) / unit_queue_slot_bytes(unit), sizeof *rings[0]);
    expect(rings[unit->index]);
}

void unit_queue_switched(struct unit *unit, bool on)
{
    history("vtd%lu: the invalidation queue is switched %s", unit->index, history_text(on ? "on" : "off"));
    unit->ends_in_wait = true;
    if (on)
        switch_on(unit);
}
